//! `mqtt decode`: prints packets field by field.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Stdout, Write},
    ops::ControlFlow,
    path::Path,
    process::ExitCode,
};

use mqtt_dissect::{
    CaptureReport, CaptureSettings, Dissection, Dissector, InputFormat, Settings, Style,
    read_capture,
};
use serde::Serialize;

use crate::{
    args::{DecodeArgs, FormatArg},
    exit::{self, Failure},
    terminal,
};

/// The longest input that is no capture. Unit: bytes.
const INPUT_LEN_MAX: u64 = 64 << 20;

/// How much of an input is looked at to tell a capture from anything else. Unit: bytes.
const MAGIC_LEN: u64 = 4;

/// Runs the command.
pub(crate) fn run(args: &DecodeArgs) -> Result<ExitCode, Failure> {
    let mut printer = Printer::new(args);
    let outcome = decode(args, &mut printer);
    match printer.end() {
        // A reader that has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure::run_time(format_args!(
            "cannot write to stdout: {error}"
        ))),
        Ok(()) => match outcome? {
            true => Ok(ExitCode::SUCCESS),
            false => Ok(ExitCode::from(exit::MALFORMED)),
        },
    }
}

/// Prints all there is; returns whether all of it is right.
fn decode(args: &DecodeArgs, printer: &mut Printer) -> Result<bool, Failure> {
    if !args.hex.is_empty() {
        let bytes = InputFormat::Hex.decode(args.hex.join(" ").as_bytes());
        return packets(args, &bytes.map_err(Failure::usage)?, printer);
    }
    let mut input = open(args.file.as_deref())?;
    let unread = |error| Failure::run_time(format_args!("cannot read the input: {error}"));
    let mut start = Vec::new();
    let first = (&mut input).take(MAGIC_LEN).read_to_end(&mut start);
    first.map_err(unread)?;
    let is_capture = mqtt_dissect::is_capture(&start);
    if args.format == FormatArg::Pcap || (args.format == FormatArg::Auto && is_capture) {
        return capture(args, start.as_slice().chain(input), printer);
    }
    let rest = input.take(INPUT_LEN_MAX).read_to_end(&mut start);
    rest.map_err(unread)?;
    if u64::try_from(start.len()).is_ok_and(|len| len > INPUT_LEN_MAX) {
        return Err(Failure::run_time("the input is longer than 64 MiB"));
    }
    let format = match args.format {
        FormatArg::Auto => InputFormat::guess(&start),
        FormatArg::Hex => InputFormat::Hex,
        FormatArg::Base64 => InputFormat::Base64,
        FormatArg::Raw | FormatArg::Pcap => InputFormat::Raw,
    };
    let bytes = format.decode(&start).map_err(Failure::run_time)?;
    packets(args, &bytes, printer)
}

fn open(file: Option<&Path>) -> Result<Box<dyn Read + Send>, Failure> {
    match file {
        Some(path) if path != Path::new("-") => match File::open(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(Failure::run_time(format_args!(
                "cannot read {}: {error}",
                path.display()
            ))),
        },
        _ => Ok(Box::new(io::stdin())),
    }
}

/// The packets of one direction.
fn packets(args: &DecodeArgs, bytes: &[u8], printer: &mut Printer) -> Result<bool, Failure> {
    if bytes.is_empty() {
        return Err(Failure::run_time("nothing to decode"));
    }
    let mut dissector = Dissector::new(settings(args));
    let mut all_right = true;
    let mut print = |packet: &Dissection| {
        all_right &= packet.is_right();
        printer.print(
            packet,
            |style| packet.to_line(style),
            |style| packet.to_tree(style),
        )
    };
    let found = dissector.feed(bytes);
    let cut = dissector.finish();
    let _ = found.iter().chain(&cut).try_for_each(&mut print);
    if let (Some(version), false) = (dissector.version(), dissector.knows_version()) {
        let _ = writeln!(
            io::stderr(),
            "mqtt: read as version {}, which no CONNECT says; -V says another",
            match version.level() {
                3 => "3.1",
                4 => "3.1.1",
                _ => "5",
            }
        );
    }
    Ok(all_right)
}

/// The connections of a capture.
fn capture(
    args: &DecodeArgs,
    input: impl Read + Send,
    printer: &mut Printer,
) -> Result<bool, Failure> {
    let settings = CaptureSettings {
        dissect: settings(args),
        ports: args.ports.clone(),
        ..CaptureSettings::default()
    };
    let report = read_capture(input, &settings, |heard| {
        printer.print(
            &heard,
            |style| heard.to_line(style),
            |style| heard.to_tree(style),
        )
    });
    let report = report.map_err(Failure::run_time)?;
    // With stderr closed nobody is left to tell.
    let _ = writeln!(io::stderr(), "mqtt: {}", said(&report));
    Ok(report.faults == 0)
}

fn said(report: &CaptureReport) -> String {
    let mut said = format!(
        "{} MQTT packets, {} of them wrong, on {} of {} TCP connections; {} packets of the network",
        report.packets, report.faults, report.mqtt_streams, report.streams, report.frames
    );
    for (count, what) in [
        (report.missing, "bytes are not in the capture"),
        (report.repeated, "bytes came again"),
        (report.unread, "packets of the network cannot be read"),
        (report.given_up, "connections were given up"),
    ] {
        if count > 0 {
            said.push_str(&format!(", {count} {what}"));
        }
    }
    if report.cut_short {
        said.push_str(", the file ends in the middle of a packet");
    }
    said
}

fn settings(args: &DecodeArgs) -> Settings {
    Settings {
        version: args.version,
        ..Settings::default()
    }
}

/// Where packets are printed, and how.
struct Printer {
    out: BufWriter<Stdout>,
    style: Style,
    line: bool,
    json: bool,
    is_first: bool,
    failed: Option<io::Error>,
}

impl Printer {
    fn new(args: &DecodeArgs) -> Self {
        Self {
            out: BufWriter::new(io::stdout()),
            style: terminal::style_of_stdout(),
            line: args.line,
            json: args.json,
            is_first: true,
            failed: None,
        }
    }

    /// Prints one thing in the form that is wanted; breaks when nobody reads.
    fn print(
        &mut self,
        thing: &impl Serialize,
        line: impl FnOnce(Style) -> String,
        tree: impl FnOnce(Style) -> String,
    ) -> ControlFlow<()> {
        let written = if self.json {
            serde_json::to_writer(&mut self.out, thing)
                .map_err(io::Error::from)
                .and_then(|()| self.out.write_all(b"\n"))
        } else if self.line {
            writeln!(self.out, "{}", line(self.style))
        } else {
            let between = if self.is_first { "" } else { "\n" };
            write!(self.out, "{between}{}", tree(self.style))
        };
        self.is_first = false;
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn end(mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}
