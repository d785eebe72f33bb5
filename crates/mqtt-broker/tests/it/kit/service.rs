//! A service over HTTP that answers as a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Head and body of what was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What it says, and what it was asked; its thread ends with the test.
pub(crate) struct Service {
    addr: SocketAddr,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl Service {
    pub(crate) fn start(status: u16, answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self {
            addr: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new((status, answer.to_owned()))),
            asked: Arc::default(),
        };
        let (answer, asked) = (Arc::clone(&service.answer), Arc::clone(&service.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                std::thread::spawn(move || serve(&stream, &answer, &asked));
            }
        });
        service
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Another answer from now on; a status of 0 is none at all.
    pub(crate) fn say(&self, status: u16, answer: &str) {
        *self.answer.lock().unwrap() = (status, answer.to_owned());
    }

    pub(crate) fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, answer: &Mutex<(u16, String)>, asked: &Mutex<Vec<Question>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut len) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                len = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        asked.lock().unwrap().push(Question { head, body });
        let (status, text) = answer.lock().unwrap().clone();
        if status == 0 {
            continue;
        }
        let length = match status {
            204 => String::new(),
            _ => format!("content-length: {}\r\n", text.len()),
        };
        let head = format!("HTTP/1.1 {status} X\r\n{length}\r\n");
        let mut writer = stream;
        if writer
            .write_all(format!("{head}{text}").as_bytes())
            .is_err()
        {
            return;
        }
    }
}
