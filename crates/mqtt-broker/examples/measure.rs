//! A broker with a choice of runtime and log, for measuring what each costs.
//!
//! `measure --listen ADDR --runtime shared|lanes|single --log memory|timer:MICROSECONDS|file:PATH`
//! The logs here are for measuring only: they write records in a form nobody reads back.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that says on the console where it listens and why it ends"
)]

use mqtt_broker::{
    Appended, Broker, CommitLog, Config, LogFull, LogPosition, LogRecord, MemoryLog, Message,
    MessageId, Recipient,
};
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// Records gathered since the last group, and who waits for which.
#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    last: u64,
    waiters: Vec<(u64, Waker)>,
}

/// A log whose groups are made durable by one thread: while it works, the next group gathers.
struct GroupLog {
    group: Mutex<Group>,
    gathered: Condvar,
    durable: AtomicU64,
}

impl GroupLog {
    /// `commit` makes the bytes of one group durable.
    fn start(mut commit: impl FnMut(&[u8]) + Send + 'static) -> Arc<Self> {
        let log = Arc::new(Self {
            group: Mutex::default(),
            gathered: Condvar::new(),
            durable: AtomicU64::new(0),
        });
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            loop {
                let mut group = writer.group.lock().unwrap_or_else(PoisonError::into_inner);
                while group.bytes.is_empty() {
                    group = writer
                        .gathered
                        .wait(group)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                std::mem::swap(&mut bytes, &mut group.bytes);
                let last = group.last;
                drop(group);
                commit(&bytes);
                bytes.clear();
                writer.durable.store(last, Ordering::Release);
                let mut group = writer.group.lock().unwrap_or_else(PoisonError::into_inner);
                let (done, waiting) = std::mem::take(&mut group.waiters)
                    .into_iter()
                    .partition(|(at, _)| *at <= last);
                group.waiters = waiting;
                drop(group);
                let done: Vec<(u64, Waker)> = done;
                for (_, waker) in done {
                    waker.wake();
                }
            }
        });
        log
    }
}

/// The broker takes logs by value; this one is shared with its thread.
struct Shared(Arc<GroupLog>);

impl Shared {
    fn gather(&self, write: impl FnOnce(&mut Vec<u8>)) -> LogPosition {
        let mut group = self.0.group.lock().unwrap_or_else(PoisonError::into_inner);
        write(&mut group.bytes);
        group.last += 1;
        let position = LogPosition(group.last);
        drop(group);
        self.0.gathered.notify_one();
        position
    }
}

impl CommitLog for Shared {
    fn keeps_records(&self) -> bool {
        true
    }

    fn append(&self, _record: LogRecord<'_>) -> Result<LogPosition, LogFull> {
        Ok(self.gather(|bytes| bytes.extend_from_slice(&[0; 16])))
    }

    fn append_message(
        &self,
        message: &Arc<Message>,
        recipients: &[Recipient<'_>],
        _is_retained: bool,
        _received: Option<mqtt_codec::PacketId>,
    ) -> Result<Appended, LogFull> {
        let position = self.gather(|bytes| {
            bytes.extend_from_slice(message.topic_name().as_bytes());
            bytes.extend_from_slice(message.payload());
            for recipient in recipients {
                bytes.extend_from_slice(&recipient.session.0.to_le_bytes());
            }
        });
        Ok(Appended {
            position,
            id: MessageId(position.0),
        })
    }

    fn appended(&self) -> LogPosition {
        let group = self.0.group.lock().unwrap_or_else(PoisonError::into_inner);
        LogPosition(group.last)
    }

    fn durable(&self) -> LogPosition {
        LogPosition(self.0.durable.load(Ordering::Acquire))
    }

    fn wake_when_durable(&self, position: LogPosition, waker: &Waker) {
        let mut group = self.0.group.lock().unwrap_or_else(PoisonError::into_inner);
        if self.durable() >= position {
            drop(group);
            waker.wake_by_ref();
        } else {
            group.waiters.push((position.0, waker.clone()));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut listen, mut runtime, mut log) = (
        "127.0.0.1:0".to_owned(),
        "shared".to_owned(),
        "memory".to_owned(),
    );
    let mut args = std::env::args().skip(1).filter(|word| word != "broker");
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--listen" => listen = value,
            "--runtime" => runtime = value,
            "--log" => log = value,
            // What the harness says to every broker.
            "--data-dir" => {}
            _ => return Err(format!("unknown flag {flag}").into()),
        }
    }
    let (main_runtime, workers) = runtimes(&runtime)?;
    let mut builder = Broker::builder()
        .config(Config::from_toml(
            &format!("listeners.tcp.default.bind = '{listen}'"),
            "--listen",
        )?)
        .runtimes(workers);
    builder = match log.split_once(':') {
        None => builder.commit_log(MemoryLog),
        Some(("timer", micros)) => {
            let pause = Duration::from_micros(micros.parse()?);
            builder.commit_log(Shared(GroupLog::start(move |_| std::thread::sleep(pause))))
        }
        Some(("file", path)) => {
            let mut file = File::create(path)?;
            builder.commit_log(Shared(GroupLog::start(move |bytes| {
                if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_data()) {
                    eprintln!("the log cannot be written: {error}");
                    std::process::exit(1);
                }
            })))
        }
        Some(_) => return Err(format!("unknown log {log}").into()),
    };
    main_runtime.block_on(async {
        let broker = builder.start().await?;
        for addr in broker.local_addrs() {
            println!("listening on {addr}");
        }
        println!("ready");
        std::future::pending::<()>().await;
        Ok(())
    })
}

/// The runtime that accepts, and those that help it.
fn runtimes(flavour: &str) -> Result<(Runtime, Vec<Handle>), Box<dyn Error>> {
    let cores = std::thread::available_parallelism()?.get();
    let single = || Builder::new_current_thread().enable_all().build();
    match flavour {
        "shared" => Ok((
            Builder::new_multi_thread()
                .worker_threads(cores)
                .enable_all()
                .build()?,
            Vec::new(),
        )),
        "single" => Ok((single()?, Vec::new())),
        "lanes" => {
            let mut handles = Vec::new();
            for _ in 1..cores {
                let runtime = single()?;
                handles.push(runtime.handle().clone());
                std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
            }
            Ok((single()?, handles))
        }
        _ => Err(format!("unknown runtime {flavour}").into()),
    }
}
