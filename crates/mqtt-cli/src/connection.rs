//! Connecting as the flags say.

use std::{future::pending, io::Write, process::ExitCode, time::Duration};

use mqtt_client::{
    AuthError, Client, ClientAuth, ClientBuilder, ConnectError, Disconnect, Endpoint, Reconnect,
    Scheme, ScramSha256Client, SrvResolver,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};
use zeroize::Zeroizing;

use crate::{
    args::{ConnectProperties, ConnectionArgs, ServerArgs, ServerError},
    exit::Failure,
    log::LogFilter,
    signals::Signals,
    trace,
};

/// A time that is as good as never, and that every clock has: some thirty years.
pub(crate) const FOREVER: Duration = Duration::from_secs(1_000_000_000);

/// How long a command may go on after a signal: more than it takes to end a connection in order.
const LINGER_MAX: Duration = Duration::from_secs(8);

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

/// Connects, or tells why not by the server's address. It does not connect again unless the flags say so.
pub(crate) async fn connect(args: &ConnectionArgs) -> Result<Client, Failure> {
    connect_with(args, Reconnect::never(), |builder| builder).await
}

/// The same for a command that prints what comes: nothing is asked for that the flags do not ask for.
pub(crate) async fn connect_to_print(
    args: &ConnectionArgs,
    reconnect: Reconnect,
) -> Result<Client, Failure> {
    let has_aliases = args.connect_properties().topic_alias_maximum.is_some();
    connect_with(args, reconnect, |builder| {
        let builder = builder.own_subscription_identifiers();
        match has_aliases {
            true => builder,
            false => builder.topic_aliases(0),
        }
    })
    .await
}

/// The same, which connects again as `reconnect` says unless the flags say otherwise, and with what `change` adds.
pub(crate) async fn connect_with(
    args: &ConnectionArgs,
    reconnect: Reconnect,
    change: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, Failure> {
    let connected = change(builder_of(args, reconnect)?).connect().await;
    connected.map_err(|error| not_connected(args, &error))
}

/// A client as the flags say, which connects again as `reconnect` says unless they say otherwise; what is risky
/// about it is told.
pub(crate) fn builder_of(
    args: &ConnectionArgs,
    reconnect: Reconnect,
) -> Result<ClientBuilder, Failure> {
    let endpoint = args.server.target().map_err(Failure::usage)?.endpoint;
    if let Some(warning) = args.server.warning().filter(|_| !args.quiet) {
        // With stderr closed nobody is left to warn.
        let _ = writeln!(std::io::stderr(), "mqtt: {warning}");
    }
    let builder = builder(args, &endpoint)?.reconnect(args.reconnect(reconnect));
    Ok(match args.debug {
        0 => builder,
        _ => builder.wrap_stream(trace::packets(|packet| {
            // With stderr closed nobody looks.
            let _ = writeln!(std::io::stderr(), "{packet}");
        })),
    })
}

/// Why there is no connection, by the server's address.
pub(crate) fn not_connected(args: &ConnectionArgs, error: &ConnectError) -> Failure {
    let server = match args.server.target() {
        Ok(target) => shown(&target.endpoint),
        Err(error) => return Failure::usage(error),
    };
    let line = match error {
        ConnectError::Dial(error) => error.to_string(),
        ConnectError::Io { source, .. } => format!("cannot connect to {server}: {source}"),
        error => format!("cannot connect to {server}: {error}"),
    };
    match error {
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
}

/// Waits for the first signal or the timeout, and gives its exit code.
///
/// From this call on, not only from its first poll, a signal no longer ends the process by itself. The second one does,
/// and so does time: a command may be stuck, as at a pipe that nobody reads.
pub(crate) fn interruption(
    timeout: Option<Duration>,
) -> Result<impl Future<Output = ExitCode>, Failure> {
    let mut signals = Signals::new().map_err(Failure::no_signals)?;
    let deadline = timeout.map(|timeout| Instant::now() + timeout.min(FOREVER));
    let (first, stopped) = oneshot::channel();
    tokio::spawn(async move {
        let stop = signals.next().await;
        // The command may have ended already.
        let _ = first.send(stop);
        let _ = tokio::time::timeout(LINGER_MAX, signals.next()).await;
        std::process::exit(stop.code().into());
    });
    let timed_out = async move {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => pending().await,
        }
    };
    Ok(async move {
        tokio::select! {
            Ok(stop) = stopped => stop.exit_code(),
            () = timed_out => ExitCode::from(crate::exit::TIMED_OUT),
        }
    })
}

/// The server as it is commonly given: by host and port alone, unless it is reached otherwise.
fn shown(endpoint: &Endpoint) -> String {
    let address = endpoint.to_string();
    match address.strip_prefix("mqtt://") {
        Some(address) => address.to_owned(),
        None => address,
    }
}

/// A client as the flags have it, which never connects again.
pub(crate) fn builder(
    args: &ConnectionArgs,
    endpoint: &Endpoint,
) -> Result<ClientBuilder, Failure> {
    let mut builder = Client::builder(endpoint.to_string())
        .clean_start(!args.disable_clean_session)
        .session_expiry(Duration::from_secs(args.session_expiry_s().into()))
        .keep_alive(Duration::from_secs(args.keepalive.into()))
        .max_packet_size(mqtt_codec::PACKET_LEN_MAX)
        .reconnect(Reconnect::never());
    if let Some(timeout) = args.connect_timeout {
        builder = builder.connect_timeout(timeout);
    }
    builder = reaching(builder, &args.server, endpoint.scheme()).map_err(Failure::usage)?;
    if let Some(client_id) = args.client_id() {
        builder = builder.client_id(client_id);
    }
    if let Some(version) = args.protocol_version {
        builder = builder.version(version);
    }
    let connect = args.connect_properties();
    builder = with_properties(builder, &connect);
    let username = args.username.as_deref().or(endpoint.username());
    let password = args.password()?;
    let password = password.as_ref().map(|password| password.as_bytes());
    let password = password.or(endpoint.password());
    builder = match (&connect.authentication_method, username, password) {
        (Some(method), ..) => {
            let data = connect.authentication_data;
            authenticating(builder, method, data, username, password)?
        }
        (None, ..) if connect.authentication_data.is_some() => {
            return Err(Failure::usage("--auth-data goes with --auth-method"));
        }
        (None, Some(username), Some(password)) => builder.credentials(username, password),
        (None, Some(username), None) => builder.username(username),
        (None, None, _) => builder,
    };
    Ok(match args.will() {
        Some(will) => builder.will(will),
        None => builder,
    })
}

/// How the server is reached.
fn reaching(
    mut builder: ClientBuilder,
    server: &ServerArgs,
    scheme: Scheme,
) -> Result<ClientBuilder, ServerError> {
    for endpoint in server.fallbacks()? {
        builder = builder.fallback_server(endpoint.to_string());
    }
    if let Some(tls) = server.tls(scheme)? {
        builder = builder.tls(tls);
    }
    if let Some(options) = server.websocket(scheme)? {
        builder = builder.websocket(options);
    }
    if let Some(proxy) = server.proxy()? {
        builder = builder.proxy(proxy);
    }
    if server.srv {
        let resolver = SrvResolver::system();
        builder = builder.srv(resolver.map_err(|error| ServerError::Says(error.to_string()))?);
    }
    Ok(builder.tcp(server.tcp()?))
}

/// With an exchange of AUTH packets.
fn authenticating(
    builder: ClientBuilder,
    method: &str,
    data: Option<Vec<u8>>,
    username: Option<&str>,
    password: Option<&[u8]>,
) -> Result<ClientBuilder, Failure> {
    if method != "SCRAM-SHA-256" {
        let once = OnceAuth {
            method: method.to_owned(),
            data: data.unwrap_or_default(),
        };
        let builder = match (username, password) {
            (Some(username), Some(password)) => builder.credentials(username, password),
            (Some(username), None) => builder.username(username),
            (None, _) => builder,
        };
        return Ok(builder.authentication(move || once.clone()));
    }
    if data.is_some() {
        return Err(Failure::usage(
            "SCRAM-SHA-256 makes its own data, leave out --auth-data",
        ));
    }
    let (Some(username), Some(password)) = (username, password) else {
        return Err(Failure::usage("SCRAM-SHA-256 takes -u and -P"));
    };
    let password = str::from_utf8(password);
    let password = password.map_err(|_| Failure::usage("the password is no text"))?;
    let username = username.to_owned();
    let password = Zeroizing::new(password.to_owned());
    Ok(builder.authentication(move || ScramSha256Client::new(&username, &password)))
}

/// A method that is not built in: one word, and no answer to what the server asks.
#[derive(Clone)]
struct OnceAuth {
    method: String,
    data: Vec<u8>,
}

impl ClientAuth for OnceAuth {
    fn method(&self) -> &str {
        &self.method
    }

    fn first(&mut self) -> Result<Vec<u8>, AuthError> {
        Ok(self.data.clone())
    }

    fn next(&mut self, _: &[u8]) -> Result<Vec<u8>, AuthError> {
        // The method is not known here.
        Err(AuthError::OutOfTurn)
    }

    fn finish(&mut self, _: Option<&[u8]>) -> Result<(), AuthError> {
        Ok(())
    }
}

fn with_properties(mut builder: ClientBuilder, connect: &ConnectProperties) -> ClientBuilder {
    if let Some(packets) = connect.receive_maximum {
        builder = builder.receive_maximum(packets.get());
    }
    if let Some(bytes) = connect.packet_len_max {
        builder = builder.max_packet_size(bytes.get());
    }
    if let Some(max) = connect.topic_alias_maximum {
        builder = builder.topic_aliases(max);
    }
    if let Some(wanted) = connect.request_problem_information {
        builder = builder.problem_information(wanted);
    }
    if connect.request_response_information == Some(true) {
        builder = builder.response_information();
    }
    for (name, value) in &connect.user_properties {
        builder = builder.user_property(name, value);
    }
    builder
}

/// Disconnects; `with_will` has the server publish the Will, as Mosquitto's programs have it do when they are
/// interrupted, from MQTT 5 on.
pub(crate) fn disconnect_as(client: &Client, args: &ConnectionArgs, with_will: bool) -> Disconnect {
    let connack = client.connack();
    let has_reason = connack.is_some_and(|connack| connack.version.has_properties());
    let normal = disconnect(client, args);
    match with_will && has_reason {
        true => normal.with_will(),
        false => normal,
    }
}

/// Disconnects, with what `-D disconnect` says.
pub(crate) fn disconnect(client: &Client, args: &ConnectionArgs) -> Disconnect {
    let properties = args.properties.disconnect();
    let mut disconnect = client.disconnect();
    if let Some(seconds) = properties.session_expiry_s {
        disconnect = disconnect.session_expiry(Duration::from_secs(seconds.into()));
    }
    if let Some(reason) = properties.reason_string {
        disconnect = disconnect.reason_string(reason);
    }
    for (name, value) in properties.user_properties {
        disconnect = disconnect.user_property(name, value);
    }
    disconnect
}
