//! `mqtt replay`: messages out of a file.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    pin::pin,
    process::ExitCode,
    time::{Duration, Instant},
};

use mqtt_client::Client;
use mqtt_record::{Reader, Replay, Replayed, Speed, Topics};

use crate::{
    args::ReplayArgs,
    connection::{self, connect, interruption},
    exit::{self, Failure},
    progress::Progress,
};

/// Runs the command.
pub(crate) fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    connection::run(args.connection.debug, args.connection.quiet, replay(args))
}

async fn replay(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    if is_stdin(&args.file) && args.rounds.is_some() {
        return Err(Failure::usage(
            "--loop reads the recording again, which standard input cannot do",
        ));
    }
    // A file that is none is told before anything is published.
    let reader = open(&args.file)?;
    let mut interruption = pin!(interruption(None)?);
    let client = tokio::select! {
        code = &mut interruption => return Ok(code),
        client = connect(&args.connection) => client?,
    };
    let mut replayed = Replayed::default();
    let start = Instant::now();
    let outcome = tokio::select! {
        code = &mut interruption => Ok(Some(code)),
        outcome = rounds(args, &client, reader, &mut replayed) => outcome.map(|()| None),
    };
    let ended = client.disconnect().timeout(Duration::from_secs(5)).await;
    if !args.connection.quiet {
        tell(&replayed, start.elapsed());
    }
    match outcome? {
        Some(code) => Ok(code),
        None if replayed.refused > 0 => Ok(ExitCode::from(exit::RUN_TIME)),
        // A connection that is gone by now may have been lost before messages of QoS 0.
        None => ended.map(|()| ExitCode::SUCCESS).map_err(Failure::run_time),
    }
}

/// Publishes the recording as often as was said.
async fn rounds(
    args: &ReplayArgs,
    client: &Client,
    first: Reader<Box<dyn BufRead + Send>>,
    replayed: &mut Replayed,
) -> Result<(), Failure> {
    let replay = Replay {
        speed: match args.max {
            true => Speed::Max,
            false => args.speed,
        },
        topics: Topics {
            rewrites: args.rewrite.clone(),
            prefix: args.prefix.clone(),
        },
        qos: args.qos,
        no_retain: args.no_retain,
    };
    let mut progress = Progress::new();
    let mut reader = first;
    let mut round = 1;
    loop {
        let run = replay.run(client, reader, replayed, |so_far| {
            progress.show(format_args!(
                "{} messages sent, {} answered, {} refused",
                so_far.sent, so_far.done, so_far.refused
            ));
        });
        let sent = run.await;
        sent.map_err(|error| Failure::run_time(format_args!("{}: {error}", args.file.display())))?;
        if args.rounds.is_none_or(|rounds| rounds == round) {
            return Ok(());
        }
        if replayed.sent == 0 {
            return Err(Failure::run_time("nothing to publish again and again"));
        }
        round += 1;
        reader = open(&args.file)?;
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn open(path: &Path) -> Result<Reader<Box<dyn BufRead + Send>>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::run_time(format_args!("{}: {error}", path.display()))
    };
    let input: Box<dyn BufRead + Send> = match is_stdin(path) {
        true => Box::new(BufReader::new(io::stdin())),
        false => Box::new(BufReader::new(
            File::open(path).map_err(|error| failed(&error))?,
        )),
    };
    Reader::begin(input).map_err(|error| failed(&error))
}

/// With stderr closed nobody is left to tell.
fn tell(replayed: &Replayed, elapsed: Duration) {
    let mut stderr = io::stderr();
    for refusal in &replayed.refusals {
        let _ = writeln!(stderr, "mqtt: {:?}: {}", refusal.topic_name, refusal.error);
    }
    let _ = writeln!(
        stderr,
        "mqtt: {} messages sent, {} answered, {} refused, {} bytes in {:.3} s, {:.3} s late at most",
        replayed.sent,
        replayed.done,
        replayed.refused,
        replayed.bytes,
        elapsed.as_secs_f64(),
        replayed.late_max.as_secs_f64()
    );
}
