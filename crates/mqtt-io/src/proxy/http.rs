//! HTTP CONNECT, RFC 9110 §9.3.6.

use super::ProxyError;
use crate::Endpoint;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest header of an answer that is taken, in bytes.
const HEAD_LEN_MAX: usize = 16 * 1024;

/// Fields of an answer that are taken, at most.
const FIELDS_MAX: usize = 64;

/// What ends the header of an answer.
const END: &[u8] = b"\r\n\r\n";

/// Asks for a name, which the proxy looks up.
pub(super) async fn tunnel(
    mut tcp: TcpStream,
    proxy: &Endpoint,
    endpoint: &Endpoint,
) -> Result<TcpStream, ProxyError> {
    let target = endpoint.authority();
    tcp.write_all(request(&target, proxy).as_bytes()).await?;
    let head = read_head(&mut tcp).await?;
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut fields);
    answer
        .parse(&head)
        .map_err(|error| not_http(&error.to_string()))?;
    let code = answer.code.unwrap_or_default();
    match code {
        200..300 => Ok(tcp),
        407 => Err(ProxyError::Credentials),
        _ => Err(ProxyError::Refused {
            target: target.into(),
            reason: format!("{code} {}", answer.reason.unwrap_or_default()).into(),
            is_retryable: code >= 500 || code == 429,
        }),
    }
}

fn request(target: &str, proxy: &Endpoint) -> String {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(username) = proxy.username() {
        let mut credentials = format!("{username}:").into_bytes();
        credentials.extend_from_slice(proxy.password().unwrap_or_default());
        let credentials = data_encoding::BASE64.encode(&credentials);
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&credentials);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// Reads up to the end of the header and not a byte further: what follows is the server's.
async fn read_head(tcp: &mut TcpStream) -> Result<Vec<u8>, ProxyError> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while head.len() <= HEAD_LEN_MAX {
        let peeked = tcp.peek(&mut chunk).await?;
        if peeked == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let before = head.len();
        head.extend_from_slice(chunk.get(..peeked).unwrap_or_default());
        // The end may have begun in what came before.
        let from = before.saturating_sub(END.len() - 1);
        let rest = head.get(from..).unwrap_or_default();
        let end = rest.windows(END.len()).position(|window| window == END);
        let taken = end.map_or(peeked, |end| from + end + END.len() - before);
        let taken_bytes = chunk.get_mut(..taken).unwrap_or_default();
        tcp.read_exact(taken_bytes).await?;
        head.truncate(before + taken);
        if end.is_some() {
            return Ok(head);
        }
    }
    Err(not_http("the header of its answer has no end"))
}

fn not_http(problem: &str) -> ProxyError {
    ProxyError::Protocol {
        protocol: "HTTP",
        problem: problem.into(),
    }
}
