//! Connecting as the flags say.

use std::{future::pending, process::ExitCode, time::Duration};

use mqtt_client::{Client, ClientBuilder, ConnectError, QoS, Reconnect, Will};
use tokio::time::{Instant, sleep_until};

use crate::{args::ConnectionArgs, exit::Failure, log::LogFilter, signals::Signals};

/// Runs a command that connects: with its own runtime, logging and quiet as the flags say.
pub(crate) fn run(
    debug: u8,
    quiet: bool,
    command: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<ExitCode, Failure> {
    if let Some(filter) = LogFilter::of_tools(debug) {
        filter.start();
    }
    let outcome = block_on(command);
    outcome.map_err(|failure| if quiet { failure.silent() } else { failure })
}

fn block_on(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    // The client has a thread of its own, so that a slow terminal does not stop its Keep Alive.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::run_time(format_args!("cannot start the runtime: {error}")))?;
    let outcome = runtime.block_on(command);
    // What still writes to a pipe that nobody reads is not waited for.
    runtime.shutdown_background();
    outcome
}

/// Connects, or tells why not by host and port.
pub(crate) async fn connect(args: &ConnectionArgs) -> Result<Client, Failure> {
    let address = address(&args.host, args.port);
    builder(args, &address).connect().await.map_err(|error| {
        let line = match &error {
            ConnectError::Dial(error) => error.to_string(),
            error => format!("cannot connect to {address}: {error}"),
        };
        match &error {
            ConnectError::Endpoint(_) => Failure::usage(line),
            ConnectError::Refused { reason, .. } => {
                // What an older server said was a return code.
                let code = args
                    .protocol_version
                    .map(|version| version.connack_code(*reason));
                Failure::refused(code.unwrap_or(reason.get()), line)
            }
            _ => Failure::run_time(line),
        }
    })
}

/// Waits for the first signal or the timeout, and gives its exit code.
///
/// From this call on, not only from its first poll, a signal no longer ends the process by itself.
pub(crate) fn interruption(
    timeout: Option<Duration>,
) -> Result<impl Future<Output = ExitCode>, Failure> {
    let mut signals = Signals::new().map_err(Failure::no_signals)?;
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let timed_out = async move {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => pending().await,
        }
    };
    Ok(async move {
        tokio::select! {
            stop = signals.next() => stop.exit_code(),
            () = timed_out => ExitCode::from(crate::exit::TIMED_OUT),
        }
    })
}

/// `host:port`, an IPv6 address in brackets.
fn address(host: &str, port: u16) -> String {
    let is_bare_v6 = host.contains(':') && !host.starts_with('[');
    if is_bare_v6 {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn builder(args: &ConnectionArgs, address: &str) -> ClientBuilder {
    let mut builder = Client::builder(address)
        .clean_start(!args.disable_clean_session)
        .session_expiry(Duration::from_secs(args.session_expiry_s().into()))
        .keep_alive(Duration::from_secs(args.keepalive.into()))
        .max_packet_size(mqtt_codec::PACKET_LEN_MAX)
        .reconnect(Reconnect::never());
    if let Some(client_id) = args.client_id() {
        builder = builder.client_id(client_id);
    }
    if let Some(version) = args.protocol_version {
        builder = builder.version(version);
    }
    builder = match (&args.username, &args.password) {
        (Some(username), Some(password)) => builder.credentials(username, password.as_str()),
        (Some(username), None) => builder.username(username),
        (None, _) => builder,
    };
    match will(args) {
        Some(will) => builder.will(will),
        None => builder,
    }
}

fn will(args: &ConnectionArgs) -> Option<Will> {
    let payload = args
        .will_payload
        .clone()
        .unwrap_or_default()
        .into_encoded_bytes();
    let will =
        Will::new(args.will_topic.as_ref()?, payload).qos(args.will_qos.unwrap_or(QoS::AtMostOnce));
    Some(if args.will_retain {
        will.retain()
    } else {
        will
    })
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn ipv6_addresses_get_brackets() {
        for (host, expected) in [
            ("localhost", "localhost:1"),
            ("::1", "[::1]:1"),
            ("[::1]", "[::1]:1"),
        ] {
            assert_eq!(address(host, 1), expected);
        }
    }
}
