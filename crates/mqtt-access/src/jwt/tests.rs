//! Tokens that are good, and every way in which one is not.

use super::*;
use crate::rule::{Actions, Permit};
use crate::rules::Rules;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use ring::{hmac, pkcs8};
use serde_json::json;

const SECRET: &[u8] = b"a secret of thirty-two bytes, and more";
const NOW_S: u64 = 1_800_000_000;

/// The example of RFC 7515, appendix A: its claims, and the three signatures of them.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const EXAMPLE_S: u64 = 1_300_819_379;

fn encoded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// A token with this header and these claims, signed by `sign`.
fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let [header, claims] = [header, claims].map(|part| encoded(part.to_string().as_bytes()));
    let signed = format!("{header}.{claims}");
    let signature = encoded(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hs256(header: &Value, claims: &Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    token(header, claims, |signed| {
        hmac::sign(&key, signed).as_ref().to_vec()
    })
}

fn good(claims: &Value) -> String {
    hs256(&json!({"alg": "HS256"}), claims)
}

fn keys() -> JwtKeys {
    JwtKeys::secret(SECRET).unwrap()
}

#[test]
fn the_examples_of_rfc_7515_are_good() {
    let set = json!({"keys": [
        {"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
        {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
    ]});
    let keys = JwtKeys::jwks(set.to_string().as_bytes()).unwrap();
    assert_eq!(keys.len(), 3);
    for (header, signature) in [
        (
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
    ] {
        let token = format!("{header}.{CLAIMS}.{signature}");
        let claims = keys.verify(&token, EXAMPLE_S, 0).unwrap();
        assert_eq!(claims.text("iss"), Some("joe"));
        assert_eq!(claims.expires_at_s(), Some(1_300_819_380));
        assert_eq!(
            keys.verify(&token, EXAMPLE_S + 1, 0),
            Err(JwtError::Expired)
        );
        assert!(keys.verify(&token, EXAMPLE_S + 1, 1).is_ok());
        let other = token.replace("Lm", "Ln");
        assert!(keys.verify(&other, EXAMPLE_S, 0).is_err(), "{header}");
    }
}

#[test]
fn curves_are_taken_from_pem_and_from_sets() {
    let random = SystemRandom::new();
    let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let p256 =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref(), &random).unwrap();
    let ed: pkcs8::Document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap();
    let pem = |prefix: &[u8], key: &[u8]| {
        let der = data_encoding::BASE64.encode(&[prefix, key].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")
    };
    let prefix_p256 = data_encoding::HEXLOWER
        .decode(b"3059301306072a8648ce3d020106082a8648ce3d030107034200")
        .unwrap();
    let prefix_ed = data_encoding::HEXLOWER
        .decode(b"302a300506032b6570032100")
        .unwrap();
    let claims = json!({"sub": "c"});
    let es256 = token(&json!({"alg": "ES256"}), &claims, |signed| {
        p256.sign(&random, signed).unwrap().as_ref().to_vec()
    });
    let eddsa = token(&json!({"alg": "EdDSA", "kid": "2"}), &claims, |signed| {
        ed.sign(signed).as_ref().to_vec()
    });
    let p256 = JwtKeys::pem(&pem(&prefix_p256, p256.public_key().as_ref())).unwrap();
    let x = encoded(ed.public_key().as_ref());
    let ed = JwtKeys::pem(&pem(&prefix_ed, ed.public_key().as_ref())).unwrap();
    assert!(p256.verify(&es256, NOW_S, 0).is_ok());
    assert!(ed.verify(&eddsa, NOW_S, 0).is_ok());
    assert_eq!(p256.verify(&eddsa, NOW_S, 0), Err(JwtError::Algorithm));
    for (id, outcome) in [
        (json!("2"), None),
        (json!("1"), Some(JwtError::Algorithm)),
        (Value::Null, None),
    ] {
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": id}]});
        let keys = JwtKeys::jwks(set.to_string().as_bytes()).unwrap();
        assert_eq!(keys.verify(&eddsa, NOW_S, 0).err(), outcome, "{id}");
    }
    assert!(JwtKeys::pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
}

/// A public key must not become a shared secret, nor any key a licence for `none`.
#[test]
fn a_token_does_not_choose_how_it_is_checked() {
    let claims = json!({"sub": "c"});
    let rsa =
        json!({"keys": [{"kty": "RSA", "e": "AQAB", "n": encoded(&[0xff; 256]), "alg": "RS256"}]});
    let rsa = JwtKeys::jwks(rsa.to_string().as_bytes()).unwrap();
    for header in [
        json!({"alg": "HS256"}),
        json!({"alg": "none"}),
        json!({"alg": "PS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": "rs256"}),
        json!({"alg": 5}),
        json!({}),
        json!({"alg": "RS256", "crit": ["b64"], "b64": false}),
    ] {
        let outcome = rsa.verify(&hs256(&header, &claims), NOW_S, 0);
        assert_eq!(outcome, Err(JwtError::Algorithm), "{header}");
    }
    let unsigned = token(&json!({"alg": "none"}), &claims, |_| Vec::new());
    assert_eq!(keys().verify(&unsigned, NOW_S, 0), Err(JwtError::Algorithm));
    let empty = token(&json!({"alg": "HS256"}), &claims, |_| Vec::new());
    assert_eq!(keys().verify(&empty, NOW_S, 0), Err(JwtError::Signature));
    let other = JwtKeys::secret(&[7; 32]).unwrap();
    let outcome = other.verify(&good(&claims), NOW_S, 0);
    assert_eq!(outcome, Err(JwtError::Signature));
}

#[test]
fn its_time_is_now() {
    for (claims, outcome) in [
        (json!({}), None),
        (json!({"exp": NOW_S + 1, "nbf": NOW_S, "iat": NOW_S}), None),
        (json!({"exp": NOW_S}), None),
        (json!({"exp": NOW_S - 10}), Some(JwtError::Expired)),
        (json!({"exp": 1.5}), Some(JwtError::Expired)),
        (json!({"exp": -1}), Some(JwtError::Expired)),
        (json!({"exp": 1e300}), None),
        (json!({"exp": "tomorrow"}), Some(JwtError::Time)),
        (json!({"nbf": NOW_S + 10}), None),
        (json!({"nbf": NOW_S + 11}), Some(JwtError::TooEarly)),
        (json!({"iat": NOW_S + 11}), Some(JwtError::TooEarly)),
        (json!({"nbf": null}), Some(JwtError::Time)),
    ] {
        let outcome_now = keys().verify(&good(&claims), NOW_S, 10).err();
        assert_eq!(outcome_now, outcome, "{claims}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let good = good(&json!({"sub": "c"}));
    assert!(keys().verify(&good, NOW_S, 0).is_ok());
    let long = format!("{good}{}", "A".repeat(JWT_LEN_MAX));
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "secret",
        good.strip_prefix('e').unwrap(),
        &format!("{good}="),
        &format!("{good}.x"),
        &good.replace('.', ""),
        &long,
    ] {
        let error = keys().verify(text, NOW_S, 0).unwrap_err();
        assert!(!error.is_genuine(), "{text:.80}");
    }
    for claims in [json!([]), json!("x"), json!(null)] {
        let outcome = keys().verify(&hs256(&json!({"alg": "HS256"}), &claims), NOW_S, 0);
        assert_eq!(outcome, Err(JwtError::Malformed), "{claims}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_not() {
    assert_eq!(
        JwtKeys::secret(b"short").unwrap_err(),
        JwtKeyError::Short { len: 5 }
    );
    assert_eq!(
        JwtKeys::secret_base64("?").unwrap_err(),
        JwtKeyError::Base64
    );
    let text = data_encoding::BASE64.encode(SECRET);
    assert!(JwtKeys::secret_base64(&text).is_ok());
    for (set, error) in [
        (json!([]), JwtKeyError::Jwks),
        (json!({"keys": {}}), JwtKeyError::Jwks),
        (json!({"keys": []}), JwtKeyError::NoKey),
        (
            json!({"keys": [{"kty": "oct", "k": "AAAA"}]}),
            JwtKeyError::NoKey,
        ),
        (
            json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}),
            JwtKeyError::NoKey,
        ),
        (
            json!({"keys": [{"kty": "oct", "k": encoded(SECRET), "use": "enc"}]}),
            JwtKeyError::NoKey,
        ),
        (
            json!({"keys": [{"kty": "oct", "k": encoded(SECRET), "alg": "none"}]}),
            JwtKeyError::NoKey,
        ),
    ] {
        let found = JwtKeys::jwks(set.to_string().as_bytes()).unwrap_err();
        assert_eq!(found, error, "{set}");
    }
    let large = vec![b' '; JWKS_LEN_MAX + 1];
    assert_eq!(JwtKeys::jwks(&large).unwrap_err(), JwtKeyError::TooLarge);
    let shown = format!(
        "{:?} {:?}",
        keys(),
        keys().verify(&good(&json!({"sub": "me"})), NOW_S, 0)
    );
    assert!(
        !shown.contains("me\"") && !shown.contains("thirty"),
        "{shown}"
    );
}

#[test]
fn claims_are_compared() {
    let token = good(&json!({"a": "x", "b": ["x", "y"], "n": 5, "f": true, "o": {"x": 1}}));
    let claims = keys().verify(&token, NOW_S, 0).unwrap();
    for (name, text, says) in [
        ("a", "x", true),
        ("a", "y", false),
        ("b", "y", true),
        ("b", "z", false),
        ("n", "5", true),
        ("f", "true", true),
        ("o", "x", false),
        ("none", "", false),
    ] {
        assert_eq!(claims.says(name, text), says, "{name} {text}");
    }
}

#[test]
fn rules_come_in_both_forms() {
    let short = json!({"pub": ["a/${clientid}", "b"], "sub": "eq c/#", "all": []});
    let rules = Rules::from_claim(&short, "token").unwrap();
    let found: Vec<_> = rules
        .rules()
        .iter()
        .map(|rule| (rule.permit, rule.actions, rule.topics.len()))
        .collect();
    assert_eq!(
        found,
        [
            (Permit::Allow, Actions::Publish, 2),
            (Permit::Allow, Actions::Subscribe, 1)
        ]
    );
    let long = json!([
        {"permission": "deny", "action": "publish", "topic": "a/#", "qos": [1, 0], "retain": true},
        {"permission": "allow", "topics": ["b", "c"], "qos": 2, "retain": "all"},
        {"permission": "allow", "action": "sub", "topics": []},
    ]);
    let rules = Rules::from_claim(&long, "token").unwrap();
    let [first, second] = rules.rules() else {
        panic!("{rules:?}");
    };
    assert_eq!(
        (first.qos.as_slice(), first.retain),
        ([0, 1].as_slice(), Some(true))
    );
    assert_eq!((second.actions, second.retain), (Actions::All, None));
    assert_eq!(second.source.to_string(), "token:2");
}

#[test]
fn rules_that_are_none_give_no_right() {
    for value in [
        json!("all"),
        json!(null),
        json!({"pub": 5}),
        json!({"pub": ["a/#/b"]}),
        json!([{"permission": "maybe", "topic": "a"}]),
        json!([{"permission": "allow", "action": "x", "topic": "a"}]),
        json!([{"permission": "allow", "action": 5, "topic": "a"}]),
        json!([{"permission": "allow", "action": "publish"}]),
        json!([{"permission": "allow", "topic": "a", "qos": 3}]),
        json!([{"permission": "allow", "topic": "a", "qos": []}]),
        json!([{"permission": "allow", "topic": "a", "retain": 1}]),
        json!([{"permission": "allow", "topic": "${nobody}"}]),
        json!(["x"]),
        json!(vec![json!({"permission": "allow", "topic": "a"}); 1001]),
    ] {
        assert!(Rules::from_claim(&value, "token").is_err(), "{value}");
    }
}
