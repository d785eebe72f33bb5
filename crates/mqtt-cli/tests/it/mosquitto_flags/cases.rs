//! The flags with values they take. Words in capitals stand for what the test's brokers have.

/// What a flag does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expected {
    /// The program does its work.
    Works,
    /// It does as it is told, and ends with this code.
    Ends(i32),
    /// It is about a way to connect by which nobody answers here: the attempt is made.
    Tried,
    /// It is refused, and said why.
    Refused(&'static str),
}

use Expected::{Ends, Refused, Tried, Works};

/// Words behind those of the program, and what comes of them.
pub(super) type Case = (&'static [&'static str], Expected);

/// The flags that all three have, each with a value it takes.
const COMMON: &[Case] = &[
    (&["-A", "127.0.0.1"], Works),
    (&["-A", "localhost"], Works),
    (&["-c", "-i", "kept"], Works),
    (&["--disable-clean-session", "--id", "kept"], Works),
    (&["-d"], Works),
    (&["--debug"], Works),
    (&["-D", "connect", "user-property", "a", "b"], Works),
    (&["-D", "connect", "receive-maximum", "10"], Works),
    (&["-D", "connect", "maximum-packet-size", "1000"], Works),
    (&["-D", "connect", "session-expiry-interval", "10"], Works),
    (&["-D", "connect", "topic-alias-maximum", "10"], Works),
    (
        &["-D", "connect", "request-problem-information", "0"],
        Works,
    ),
    (
        &["-D", "connect", "request-response-information", "1"],
        Works,
    ),
    (&["-D", "disconnect", "session-expiry-interval", "0"], Works),
    (&["-D", "disconnect", "user-property", "a", "b"], Works),
    (&["-D", "disconnect", "reason-string", "why"], Works),
    (&["--property", "publish", "content-type", "-t"], Works),
    // Of a packet that the program never sends.
    (&["-D", "subscribe", "user-property", "a", "b"], Works),
    (&["-D", "unsubscribe", "user-property", "a", "b"], Works),
    (
        &["-D", "pubrel", "user-property", "a", "b"],
        Refused("pubrel is sent without properties of yours"),
    ),
    (
        &["-D", "publish", "content-type"],
        Refused("say whose property it is"),
    ),
    (&["-h", "127.0.0.1"], Works),
    (&["--host", "localhost"], Works),
    (&["-i", "me"], Works),
    (&["-I", "me-"], Works),
    (&["--id-prefix", "me-"], Works),
    (&["-k", "30"], Works),
    (&["--keepalive", "30"], Works),
    (&["-k", "65536"], Refused("--keepalive")),
    (&["-M", "5"], Works),
    (&["-M", "0"], Refused("would be zero")),
    (&["--nodelay"], Works),
    (&["--no-tls"], Works),
    (&["-o", "/dev/null"], Works),
    (&["-o", "/nowhere/options"], Refused("/nowhere/options")),
    (&["-p", "70000"], Refused("--port")),
    (&["--port", "0"], Refused("port")),
    (&["--port", "TCP"], Works),
    (&["-q", "1"], Works),
    (&["--qos", "2"], Works),
    (&["-q", "3"], Refused("say 0, 1 or 2")),
    (&["--quiet"], Works),
    (&["-S"], Tried),
    (&["-u", "me", "-P", "-secret"], Works),
    (&["--username", "me", "--pw", "@literal"], Works),
    (&["-V", "mqttv31"], Works),
    (&["-V", "mqttv311"], Works),
    (&["--protocol-version", "mqttv5"], Works),
    (&["-V", "5"], Works),
    (&["-V", "31"], Works),
    (&["-V", "9"], Refused("say 3.1, 3.1.1 or 5")),
    (&["-x", "10", "-V", "5"], Works),
    (&["-x", "-1", "-V", "5", "-i", "kept"], Works),
    (&["-x", "\u{221e}", "-V", "5", "-i", "kept"], Works),
    (&["-x", "-1", "-V", "5"], Refused("say -i")),
    (&["--will-topic", "w"], Works),
    (
        &[
            "--will-topic",
            "w",
            "--will-payload",
            "x",
            "--will-qos",
            "1",
            "--will-retain",
        ],
        Works,
    ),
    (
        &[
            "--will-topic",
            "w",
            "-D",
            "will",
            "will-delay-interval",
            "5",
        ],
        Works,
    ),
    (&["--will-payload", "x"], Refused("--will-topic")),
    (&["--proxy", "socks5h://127.0.0.1:1"], Tried),
    (&["--proxy", "gopher://127.0.0.1:1"], Refused("--proxy")),
    (&["--cafile", "/nowhere/ca.pem"], Refused("/nowhere/ca.pem")),
    (&["--cafile", "CA", "-p", "SSL"], Works),
    (&["--capath", "CERTS", "-p", "SSL"], Works),
    (&["--capath", "/nowhere"], Refused("--capath")),
    (
        &[
            "--cafile", "CA", "-p", "SSL", "--cert", "CERT", "--key", "KEY",
        ],
        Works,
    ),
    (
        &[
            "--cafile",
            "CA",
            "-p",
            "SSL",
            "--cert",
            "CERT",
            "--key",
            "KEY",
            "--keyform",
            "pem",
        ],
        Works,
    ),
    (&["--cert", "CERT"], Refused("--key")),
    (&["--key", "KEY"], Refused("--cert")),
    (
        &[
            "--cafile",
            "CA",
            "--cert",
            "CERT",
            "--key",
            "KEY",
            "--keyform",
            "engine",
        ],
        Refused("--keyform engine"),
    ),
    (&["--insecure", "-p", "SSL"], Works),
    (&["--tls-use-os-certs"], Tried),
    (
        &["--cafile", "CA", "-p", "SSL", "--tls-version", "tlsv1.2"],
        Works,
    ),
    (
        &["--tls-version", "tlsv1.1"],
        Refused("nothing older than TLS 1.2"),
    ),
    (
        &[
            "--cafile",
            "CA",
            "-p",
            "SSL",
            "--ciphers",
            "TLS_AES_128_GCM_SHA256",
        ],
        Works,
    ),
    (&["--ciphers", "HIGH:!aNULL"], Refused("there is no HIGH")),
    (
        &["--cafile", "CA", "-p", "SSL", "--tls-alpn", "mqtt"],
        Works,
    ),
    (
        &["--cafile", "CA", "-p", "SSL", "--tls-keylog", "KEYLOG"],
        Works,
    ),
    (&["--psk", "00"], Refused("no pre-shared keys")),
    (&["--psk-identity", "me"], Refused("no pre-shared keys")),
    (&["--tls-engine", "tpm"], Refused("no engines of OpenSSL")),
    (
        &["--tls-engine-kpass-sha1", "00"],
        Refused("no engines of OpenSSL"),
    ),
    (&["--nope"], Refused("unexpected argument '--nope'")),
];

/// Ways to the broker that take the place of host and port.
const WAYS: &[Case] = &[
    (&["--ws", "-p", "WS"], Works),
    (&["--ws", "-p", "WSS", "--cafile", "CA"], Works),
    (&["--unix", "SOCKET"], Works),
    (&["--unix", "/nowhere/mqtt.sock"], Tried),
    (&["-L", "URL"], Works),
    (&["--url", "WSURL"], Works),
    (&["-L", "http://127.0.0.1/a"], Refused("http")),
    (&["--mptcp"], Refused("--mptcp")),
    (&["--version"], Ends(1)),
];

const PUBLISH: &[Case] = &[
    (&["-D", "publish", "correlation-data", "x"], Works),
    (&["-D", "publish", "message-expiry-interval", "9"], Works),
    (&["-D", "publish", "payload-format-indicator", "1"], Works),
    (&["-D", "publish", "response-topic", "r"], Works),
    (&["-D", "publish", "topic-alias", "1"], Works),
    (
        &["-D", "publish", "topic-alias", "2"],
        Refused("publish topic-alias 2"),
    ),
    (&["--max-inflight", "5"], Works),
    (&["-r"], Works),
    (&["--retain"], Works),
    (&["--repeat", "3"], Works),
    (&["--repeat", "2", "--repeat-delay", "0.01"], Works),
    (&["--repeat", "0"], Refused("--repeat")),
    (&["--repeat-delay", "x"], Refused("--repeat-delay")),
    (&["--topic", "b"], Works),
    (&["-C", "1"], Refused("-C")),
    (&["-E"], Refused("-E")),
    (&["-F", "%p"], Refused("-F")),
    (&["-v"], Refused("-v")),
    (&["-W", "1"], Refused("-W")),
    (&["--latency"], Refused("--latency")),
    (&["--message-rate"], Refused("--message-rate")),
];

/// Behind the words of a message of `mosquitto_pub` and `mosquitto_rr`.
const PAYLOADS: &[Case] = &[
    (&["-m", "-x"], Works),
    (&["--message", "x"], Works),
    (&["-n"], Works),
    (&["--null-message"], Works),
    (&["-f", "PAYLOAD"], Works),
    (&["--file", "PAYLOAD"], Works),
    (&["-f", "/nowhere/payload"], Refused("/nowhere/payload")),
    (&["-s"], Works),
    (&["--stdin-file"], Works),
];

const LINES: &[Case] = &[(&["-l"], Works), (&["--stdin-line"], Works)];

/// How what comes is printed, and what is taken.
const PRINTING: &[Case] = &[
    (&["-F", "%t %p"], Works),
    (&["-F", "%z"], Refused("%z")),
    (&["-N"], Works),
    (&["-F", "%j", "--pretty"], Works),
    (&["-v"], Works),
    (&["--verbose"], Works),
    (&["-W", "20"], Works),
    (&["-W", "0"], Refused("-W")),
    (&["--retain-as-published", "-V", "5"], Works),
    (&["--retain-as-published"], Works),
    (&["--retain-handling", "always", "-V", "5"], Works),
    (&["--retain-handling", "some"], Refused("--retain-handling")),
];

const SUBSCRIBE: &[Case] = &[
    (&["-C", "1"], Works),
    (&["-C", "0"], Refused("-C")),
    (&["-E"], Works),
    (&["-R", "-W", "1"], Ends(27)),
    (&["-R", "-W", "1", "-V", "5"], Ends(27)),
    (&["-T", "nothing/#"], Works),
    (&["--filter-out", "kept/#", "-W", "1"], Ends(27)),
    (&["-T", "a/#/b"], Refused("--filter-out")),
    (&["-U", "nothing"], Works),
    (&["--unsubscribe", "nothing"], Works),
    (&["-D", "subscribe", "subscription-identifier", "7"], Works),
    (&["--message-rate", "-W", "1"], Works),
    (&["-w"], Works),
    (&["--watch"], Works),
    (&["--random-filter", "100"], Works),
    (&["--random-filter", "0"], Refused("--random-filter")),
    (&["--retained-only"], Works),
    (&["--retained-only", "-R"], Refused("-R")),
    (
        &["--retain-handling", "never", "-V", "5", "-W", "1"],
        Ends(27),
    ),
    (
        &["--remove-retained", "-t", "removed/#", "-T", "kept/#"],
        Works,
    ),
    (&["--topic", "nothing/#"], Works),
    (&["-e", "r"], Refused("-e")),
    (&["-m", "x"], Refused("-m")),
    (&["-r"], Refused("-r")),
    (&["--repeat", "2"], Refused("--repeat")),
];

const REQUEST: &[Case] = &[
    (&["-e", "self"], Works),
    (&["--topic", "self"], Works),
    (&["-R"], Works),
    (&["--latency"], Works),
    (&["-D", "publish", "correlation-data", "x"], Works),
    (
        &["-D", "publish", "response-topic", "x"],
        Refused("-e and by -D"),
    ),
    (&["-C", "1"], Refused("-C")),
    (&["-l"], Refused("-l")),
    (&["-U", "a"], Refused("-U")),
    (&["-t", "nobody", "-W", "1"], Ends(27)),
];

/// The cases of a program.
pub(super) fn cases(program: &str) -> Vec<Case> {
    let own: &[&[Case]] = match program {
        "mosquitto_pub" => &[PUBLISH, PAYLOADS, LINES],
        "mosquitto_sub" => &[PRINTING, SUBSCRIBE],
        _ => &[PRINTING, PAYLOADS, REQUEST],
    };
    [&[COMMON, WAYS], own].concat().concat()
}
