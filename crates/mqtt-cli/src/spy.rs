//! `mqtt spy`: relays between clients and a broker, and shows what passes.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Stdout, Write},
    path::Path,
    pin::pin,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mqtt_spy::{
    Capture, Event, Limits, Listener, Observer, Proxy, Recording, Seen, Settings, Style, Totals,
};
use tokio::{sync::mpsc::Receiver, task::spawn_blocking, time::timeout};

use crate::{
    args::SpyArgs,
    connection::{self, interruption},
    exit::Failure,
    terminal,
};

/// How long a signal waits for the last packets to be shown.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(args: SpyArgs) -> Result<ExitCode, Failure> {
    connection::run(0, false, spy(args))
}

async fn spy(mut args: SpyArgs) -> Result<ExitCode, Failure> {
    let (server, connector) = args.server()?;
    let door = args.door()?;
    let watcher = Watcher::new(&args)?;
    let interruption = pin!(interruption(None)?);
    let listener = Listener::bind(args.listen.addr).map_err(|error| {
        Failure::run_time(format_args!(
            "cannot listen on {}: {error}",
            args.listen.addr
        ))
    })?;
    let limits = Limits {
        clients_max: usize::try_from(args.clients_max).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let shown = server.to_string();
    let (proxy, events) = Proxy::new(listener, door, connector, server, limits);
    let mut listen = args.listen.clone();
    if let Ok(addr) = proxy.local_addr() {
        listen.addr = addr;
    }
    if let Some(warning) = args.server.warning() {
        tell(format_args!("{warning}"));
    }
    tell(format_args!("listening on {listen} for {shown}"));
    // A thread of its own may wait for whoever reads stdout without keeping a signal from ending
    // the command.
    let mut watching = spawn_blocking(move || watcher.watch(events));
    let outcome = tokio::select! {
        code = interruption => Ok(Err(code)),
        // It ends when nobody watches any more.
        () = proxy.run() => Ok(Ok(())),
        watched = &mut watching => Err(watched),
    };
    // The proxy is gone by now, and what it told comes to its end.
    let (code, watched) = match outcome {
        Ok(Err(code)) => (code, timeout(LAST_WORDS, watching).await.ok()),
        Ok(Ok(())) => (ExitCode::SUCCESS, Some(watching.await)),
        Err(watched) => (ExitCode::SUCCESS, Some(watched)),
    };
    match watched {
        Some(Ok(totals)) => {
            let (totals, left_out) = totals?;
            if left_out > 0 {
                tell(format_args!(
                    "{left_out} messages are not recorded: they are longer than 1 MiB, or were cut off"
                ));
            }
            tell(format_args!(
                "{} connections, {} failed, {} packets, {} of them wrong, {} bytes",
                totals.connections, totals.failed, totals.packets, totals.faults, totals.bytes
            ));
            Ok(code)
        }
        Some(Err(error)) => Err(Failure::run_time(format_args!("cannot print: {error}"))),
        // Nobody reads stdout.
        None => Ok(code),
    }
}

fn tell(line: std::fmt::Arguments<'_>) {
    // With stderr closed nobody is left to tell.
    let _ = writeln!(io::stderr(), "mqtt: {line}");
}

/// How packets are shown.
#[derive(Clone, Copy)]
enum Form {
    Nothing,
    Json,
    Line,
    Tree,
    Dump,
}

/// Takes the events and shows and writes them.
struct Watcher {
    observer: Observer,
    form: Form,
    style: Style,
    out: BufWriter<Stdout>,
    capture: Option<Capture<BufWriter<File>>>,
    recording: Option<Recording<BufWriter<File>>>,
}

impl Watcher {
    fn new(args: &SpyArgs) -> Result<Self, Failure> {
        let settings = Settings {
            version: args.version,
            ..Settings::default()
        };
        let create = |path| File::create(path).map(BufWriter::new);
        let create_private = |path| private(path).map(BufWriter::new);
        let capture = args.write.as_deref().map(|path| {
            let begun = create_private(path).and_then(Capture::begin);
            begun.map_err(|error| unwritten(path, &error))
        });
        let started = SystemTime::now().duration_since(UNIX_EPOCH);
        let recording = args.record.as_deref().map(|path| {
            let begun =
                create(path).and_then(|file| Recording::begin(file, started.unwrap_or_default()));
            begun.map_err(|error| unwritten(path, &error))
        });
        Ok(Self {
            observer: Observer::new(settings, args.filter()?),
            form: match (args.quiet, args.json, args.verbose) {
                (true, ..) => Form::Nothing,
                (_, true, _) => Form::Json,
                (_, _, 0) => Form::Line,
                (_, _, 1) => Form::Tree,
                _ => Form::Dump,
            },
            style: terminal::style_of_stdout(),
            out: BufWriter::new(io::stdout()),
            capture: capture.transpose()?,
            recording: recording.transpose()?,
        })
    }

    /// Shows everything until the events end, or nobody reads what is shown.
    fn watch(mut self, mut events: Receiver<Event>) -> Result<(Totals, u64), Failure> {
        while let Some(event) = events.blocking_recv() {
            let mut next = Some(event);
            while let Some(event) = next {
                self.write(&event)?;
                for seen in self.observer.take(&event) {
                    self.record(&seen)?;
                    match self.show(&seen) {
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                            return Ok(self.end());
                        }
                        shown => shown.map_err(unshown)?,
                    }
                }
                next = events.try_recv().ok();
            }
            // A reader has each packet at once, but a burst is written as one.
            match self.flush() {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                flushed => flushed.map_err(unshown)?,
            }
        }
        Ok(self.end())
    }

    /// What was seen, and how many messages of it are not recorded.
    fn end(&self) -> (Totals, u64) {
        let recording = self.recording.as_ref();
        (
            self.observer.totals(),
            recording.map_or(0, Recording::left_out),
        )
    }

    fn write(&mut self, event: &Event) -> Result<(), Failure> {
        let Some(capture) = &mut self.capture else {
            return Ok(());
        };
        capture
            .take(event)
            .map_err(|error| Failure::run_time(format_args!("cannot write the capture: {error}")))
    }

    fn record(&mut self, seen: &Seen) -> Result<(), Failure> {
        let Some(recording) = &mut self.recording else {
            return Ok(());
        };
        recording
            .take(seen)
            .map_err(|error| Failure::run_time(format_args!("cannot write the recording: {error}")))
    }

    fn show(&mut self, seen: &Seen) -> io::Result<()> {
        let style = self.style;
        let text = match self.form {
            Form::Nothing => return Ok(()),
            Form::Json => serde_json::to_string(seen)? + "\n",
            Form::Line => seen.to_line(style) + "\n",
            Form::Tree => seen.to_tree(style),
            Form::Dump => seen.to_dump(style),
        };
        if self.out.buffer().len() + text.len() > self.out.capacity() {
            // Who reads stdout may have stopped for good; the files are whole up to here.
            self.flush_files()?;
        }
        self.out.write_all(text.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_files()?;
        self.out.flush()
    }

    fn flush_files(&mut self) -> io::Result<()> {
        if let Some(capture) = &mut self.capture {
            capture.flush()?;
        }
        if let Some(recording) = &mut self.recording {
            recording.flush()?;
        }
        Ok(())
    }
}

/// A file that its owner alone can read: there are passwords in a capture.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn unshown(error: io::Error) -> Failure {
    Failure::run_time(format_args!("cannot write: {error}"))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::run_time(format_args!("cannot write {}: {error}", path.display()))
}
