//! Headers by hand, and those of another implementation.

use super::*;
use proptest::prelude::*;
use proxy_header::{ProxiedAddress, SslInfo, Tlv};

/// A header of version 2 as these parts make it.
fn binary(command: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap();
    let fixed = [command, kind];
    [v2::SIGNATURE, &fixed, &len.to_be_bytes(), body].concat()
}

fn said(bytes: &[u8]) -> String {
    match ProxyHeader::decode(bytes) {
        Ok(Some((header, _))) => format!("{header:?}"),
        Ok(None) => "more".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn whole(bytes: &[u8]) -> ProxyHeader {
    let (header, len) = ProxyHeader::decode(bytes).unwrap().unwrap();
    assert_eq!(len, bytes.len());
    header
}

/// An IPv4 address pair in version 2.
const PAIR: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x9D, 0x78, 0x07, 0x5B];

#[test]
fn a_line_names_client_and_server() {
    let header = whole(b"PROXY TCP6 2001:db8::7 ::1 40312 1883\r\n");
    let expected = ProxyAddresses::Ip {
        source: "[2001:db8::7]:40312".parse().unwrap(),
        destination: "[::1]:1883".parse().unwrap(),
    };
    assert_eq!(header.addresses(), &expected);
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
    assert_eq!(longest.len(), LINE_LEN_MAX);
    assert_eq!(
        whole(longest.as_bytes()).addresses(),
        &ProxyAddresses::Unknown
    );
    assert_eq!(whole(b"PROXY UNKNOWN\r\n").source(), None);
}

#[test]
fn a_malformed_line_is_refused_with_what_is_wrong() {
    let cases = [
        (
            "GET / HTTP/1.1\r\n",
            "the connection does not begin with a PROXY header; is the other end a proxy that sends one?",
        ),
        (
            "PROXY\r\n",
            "the connection does not begin with a PROXY header; is the other end a proxy that sends one?",
        ),
        (
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
            "a PROXY line that does not end with CR LF",
        ),
        ("PROXY \n", "a PROXY line that does not end with CR LF"),
        (
            "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "a PROXY line for none of TCP4, TCP6, UNKNOWN",
        ),
        (
            "PROXY unknown\r\n",
            "a PROXY line for none of TCP4, TCP6, UNKNOWN",
        ),
        (
            "PROXY TCP4 ::1 5.6.7.8 1 2\r\n",
            "a PROXY line whose source address cannot be read",
        ),
        (
            "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
            "a PROXY line whose source address cannot be read",
        ),
        (
            "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
            "a PROXY line whose source address cannot be read",
        ),
        (
            "PROXY TCP4 1.2.3.4\r\n",
            "a PROXY line whose destination address cannot be read",
        ),
        (
            "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
            "a PROXY line whose source port cannot be read",
        ),
        (
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 02\r\n",
            "a PROXY line whose destination port cannot be read",
        ),
        (
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            "a PROXY line whose destination port cannot be read",
        ),
        (
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            "a PROXY line with more than two addresses and two ports",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(said(line.as_bytes()), expected, "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(92));
    assert_eq!(said(long.as_bytes()), "a PROXY line of more than 107 bytes");
}

#[test]
fn a_malformed_binary_header_is_refused_with_what_is_wrong() {
    let with = |fields: &[u8]| binary(0x21, 0x11, &[&PAIR, fields].concat());
    let cases = [
        (
            binary(0x11, 0x11, &PAIR),
            "version 1 of the PROXY protocol, not 1 or 2",
        ),
        (
            binary(0x22, 0x11, &PAIR),
            "PROXY command 2, neither LOCAL (0) nor PROXY (1)",
        ),
        (
            binary(0x21, 0x12, &PAIR),
            "a PROXY header for connections of kind 0x12, which are no streams of IPv4, IPv6 or unix sockets",
        ),
        (
            binary(0x21, 0x41, &PAIR),
            "a PROXY header for connections of kind 0x41, which are no streams of IPv4, IPv6 or unix sockets",
        ),
        (
            binary(0x21, 0x21, &PAIR),
            "a PROXY header with 12 bytes of addresses, which take 36",
        ),
        (
            binary(0x21, 0x11, &PAIR[..11]),
            "a PROXY header with 11 bytes of addresses, which take 12",
        ),
        (
            binary(0x21, 0x31, &[b'/'; 215]),
            "a PROXY header with 215 bytes of addresses, which take 216",
        ),
        (
            binary(0x21, 0x11, &[0; 4081]),
            "a PROXY header of 4097 bytes, over 4096",
        ),
        (with(&[0x04]), "field 0x04 of the PROXY header is cut off"),
        (
            with(&[0x04, 0, 2, 0]),
            "field 0x04 of the PROXY header is cut off",
        ),
        (
            with(&[0x02, 0, 1, 0xFF]),
            "field 0x02 of the PROXY header is not UTF-8",
        ),
        (
            with(&[0x20, 0, 4, 1, 0, 0, 0]),
            "field 0x20 of the PROXY header is cut off",
        ),
        (
            with(&[0x20, 0, 8, 1, 0, 0, 0, 0, 0x22, 0, 1]),
            "field 0x22 of the PROXY header is cut off",
        ),
        (
            with(&[0x03, 0, 4, 1, 2, 3, 4]),
            "the checksum of the PROXY header is wrong",
        ),
        (
            with(&[0x03, 0, 1, 1]),
            "field 0x03 of the PROXY header is cut off",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(said(&bytes), expected, "{bytes:?}");
    }
}

#[test]
fn what_speaks_for_itself_says_nothing_else() {
    // Family, addresses and fields are of no account.
    let header = whole(&binary(0x20, 0x7F, &[0xFF; 7]));
    assert_eq!(header.addresses(), &ProxyAddresses::Local);
    assert_eq!(header.source(), None);
    let header = whole(&binary(0x21, 0x00, &[]));
    assert_eq!(header.addresses(), &ProxyAddresses::Unknown);
}

#[test]
fn paths_of_unix_sockets_are_without_their_filling() {
    let mut body = [0; 216];
    body[108..116].copy_from_slice(b"/run/mq1");
    let header = whole(&binary(0x21, 0x31, &body));
    let expected = ProxyAddresses::Unix {
        source: Box::default(),
        destination: b"/run/mq1"[..].into(),
    };
    assert_eq!(header.addresses(), &expected);
}

#[test]
fn the_name_of_a_certificate_counts_only_if_the_proxy_found_it_good() {
    for (shown, result, counts) in [(true, 0, true), (true, 1, false), (false, 0, false)] {
        let address = ProxiedAddress::stream(
            "192.0.2.7:40312".parse().unwrap(),
            "198.51.100.1:1883".parse().unwrap(),
        );
        let mut header = proxy_header::ProxyHeader::with_address(address);
        let mut tls = SslInfo::new(true, shown, false, result);
        tls.append_tlv(Tlv::SslVersion("TLSv1.3".into()));
        tls.append_tlv(Tlv::SslCn("device-7".into()));
        header.append_tlv(Tlv::Authority("broker.example".into()));
        header.append_tlv(Tlv::Ssl(tls));
        let mut bytes = Vec::new();
        header.encode_v2(&mut bytes).unwrap();
        let header = whole(&bytes);
        let tls = header.tls().unwrap();
        assert_eq!(tls.version(), Some("TLSv1.3"));
        assert_eq!(tls.common_name(), counts.then_some("device-7"));
        assert_eq!(header.server_name(), Some("broker.example"));
    }
    // A proxy that the client reached without TLS has nothing to say.
    let field = [0x20, 0, 5, 0, 0, 0, 0, 0];
    let bytes = binary(0x21, 0x11, &[&PAIR[..], &field].concat());
    assert_eq!(whole(&bytes).tls(), None);
}

#[test]
fn a_right_checksum_is_taken_wherever_it_stands() {
    for (before, after) in [(&[][..], &[0x04, 0, 1, 0][..]), (&[0x04, 0, 0], &[])] {
        let fields = [before, &[0x03, 0, 4, 0, 0, 0, 0], after].concat();
        let mut bytes = binary(0x21, 0x11, &[&PAIR[..], &fields].concat());
        let at = bytes.len() - after.len() - 4;
        let sum = crc32c::crc32c(&bytes).to_be_bytes();
        bytes[at..at + 4].copy_from_slice(&sum);
        assert_eq!(
            whole(&bytes).source(),
            Some("192.0.2.7:40312".parse().unwrap())
        );
        bytes[17] ^= 1;
        assert_eq!(said(&bytes), "the checksum of the PROXY header is wrong");
    }
}

proptest! {
    /// Against a library that writes headers.
    #[test]
    fn what_another_implementation_writes_is_read(
        source: SocketAddr,
        destination: SocketAddr,
        unique in proptest::collection::vec(any::<u8>(), 0..64),
        rest in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        prop_assume!(source.is_ipv4() == destination.is_ipv4());
        let plain = |address: SocketAddr| SocketAddr::new(address.ip(), address.port());
        let (source, destination) = (plain(source), plain(destination));
        let mut header = proxy_header::ProxyHeader::with_address(ProxiedAddress::stream(source, destination));
        let (mut line, mut binary) = (Vec::new(), Vec::new());
        header.encode_v1(&mut line).unwrap();
        header.append_tlv(Tlv::UniqueId(unique.as_slice().into()));
        header.encode_v2(&mut binary).unwrap();
        for mut bytes in [line, binary] {
            let len = bytes.len();
            for cut in 0..len {
                prop_assert!(ProxyHeader::decode(&bytes[..cut]).unwrap().is_none());
            }
            bytes.extend_from_slice(&rest);
            let (header, read) = ProxyHeader::decode(&bytes).unwrap().unwrap();
            prop_assert_eq!(read, len);
            prop_assert_eq!(header.addresses(), &ProxyAddresses::Ip { source, destination });
        }
    }
}
