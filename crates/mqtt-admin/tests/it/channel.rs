//! The socket itself: whose it is, and what becomes of those who misuse it.

use crate::kit::{Server, TestHost};
use mqtt_admin::{CallError, Channel, ChannelError, Client, FaultKind, Request, Service};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A connection on which anything can be said.
fn raw(server: &Server) -> UnixStream {
    let stream = UnixStream::connect(server.socket()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}

/// The next line, empty at the end.
fn line(stream: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn the_socket_is_for_its_owner_and_goes_with_the_broker() {
    let mut server = Server::start();
    let socket = server.socket();
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    server.admin().call(&Request::Status).unwrap();
    server.channel = None;
    assert!(!socket.exists());
    assert!(matches!(
        Client::connect(&socket),
        Err(CallError::NoBroker { .. })
    ));
}

#[test]
fn a_socket_left_behind_is_replaced_and_a_file_is_not() {
    let mut server = Server::start();
    server.channel = None;
    let socket = server.socket();
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let service = Service::new(server.broker.manager().clone(), TestHost::default());
    let channel = Channel::open(&socket, service.clone()).unwrap();
    server.admin().call(&Request::Status).unwrap();
    drop(channel);
    std::fs::write(&socket, "precious").unwrap();
    assert!(matches!(
        Channel::open(&socket, service),
        Err(ChannelError::InTheWay { .. })
    ));
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
}

#[test]
fn garbage_is_answered_and_the_connection_goes_on() {
    let server = Server::start();
    let mut stream = raw(&server);
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let texts: [&[u8]; 6] = [
        b"hello",
        b"{}",
        b"{\"do\":\"explode\"}",
        b"\xff\xfe\0",
        b"{\"do\":\"kick\"}",
        b"{\"do\":\"kick\",\"client_id\":\"c\",\"surprise\":1}",
    ];
    for text in texts {
        stream.write_all(text).unwrap();
        stream.write_all(b"\n").unwrap();
        let mut reply = String::new();
        replies.read_line(&mut reply).unwrap();
        let start = "{\"error\":{\"kind\":\"invalid\",\"message\":\"not a request: ";
        assert!(reply.starts_with(start), "{text:?}: {reply}");
    }
    stream.write_all(b"{\"do\":\"status\"}\n").unwrap();
    let mut reply = String::new();
    replies.read_line(&mut reply).unwrap();
    assert!(reply.starts_with("{\"ok\":{"), "{reply}");
}

#[test]
fn a_request_without_an_end_is_refused() {
    let server = Server::start();
    let mut stream = raw(&server);
    // The broker may close before it has taken all.
    let _ = stream.write_all(&vec![b'x'; 2 * 1024 * 1024]);
    let reply = line(&stream);
    assert!(reply.contains("at most 1048576 bytes"), "{reply}");
    server.admin().call(&Request::Status).unwrap();
}

#[test]
fn a_slow_request_is_cut_off_and_others_are_served_meanwhile() {
    let server = Server::start();
    let mut slow = raw(&server);
    slow.write_all(b"{\"do\":").unwrap();
    let begun = Instant::now();
    server.admin().call(&Request::Status).unwrap();
    let reply = line(&slow);
    assert!(reply.contains("took too long"), "{reply}");
    assert!(begun.elapsed() >= Duration::from_secs(4));
    assert_eq!(slow.read(&mut [0]).unwrap(), 0, "closed");
}

#[test]
fn one_connection_too_many_is_told() {
    let server = Server::start();
    let mut admins: Vec<_> = (0..16).map(|_| server.admin()).collect();
    for admin in &mut admins {
        admin.call(&Request::Status).unwrap();
    }
    let refused = server.admin().call(&Request::Status);
    let Err(CallError::Refused(fault)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(fault.kind, FaultKind::Busy);
    drop(admins.pop());
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.admin().call(&Request::Status).is_err() {
        assert!(Instant::now() < deadline, "the place is free again");
        std::thread::yield_now();
    }
}
