//! `mqtt access`: asks what a broker with this configuration would decide.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
};

use mqtt_access::{Action, Subject};
use mqtt_broker::Authorizer;
use mqtt_codec::{TopicFilter, TopicName};

use crate::{
    args::{AccessCommand, ExplainArgs},
    broker,
    exit::{DENIED, Failure},
};

/// Runs the command.
pub(crate) fn run(command: &AccessCommand) -> Result<ExitCode, Failure> {
    match command {
        AccessCommand::Explain(args) => explain(args),
    }
}

fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let action = action(args)?;
    let config = broker::from_file(args.config.as_deref())?;
    let authorizer = Authorizer::from_config(&config).map_err(Failure::usage)?;
    let attributes: BTreeMap<Box<str>, Box<str>> = args
        .attributes
        .iter()
        .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
        .collect();
    let subject = Subject {
        client_id: &args.client,
        username: args.user.as_deref(),
        cert_common_name: args.cert_common_name.as_deref(),
        address: args.address,
        listener: args.listener.as_deref(),
        attributes: Some(&attributes),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::no_runtime)?;
    let explanation = runtime.block_on(authorizer.explain(&subject, None, &action));
    let (verdict, code) = match explanation.is_allowed {
        true => ("allowed", ExitCode::SUCCESS),
        false => ("denied", ExitCode::from(DENIED)),
    };
    // A reader that went away is no failure of ours.
    let _ = writeln!(io::stdout(), "{verdict}: {}", explanation.ground);
    Ok(code)
}

fn action(args: &ExplainArgs) -> Result<Action<'_>, Failure> {
    let (qos, retain) = (args.qos, args.retain);
    if let Some(topic_filter) = &args.subscribe {
        TopicFilter::try_new(topic_filter)
            .map_err(|_| Failure::usage(format_args!("`{topic_filter}` is no topic filter")))?;
        return Ok(Action::Subscribe { topic_filter, qos });
    }
    let topic_name = args.publish.as_ref().or(args.receive.as_ref());
    let topic_name = topic_name.map_or("", String::as_str);
    TopicName::try_new(topic_name)
        .map_err(|_| Failure::usage(format_args!("`{topic_name}` is no topic to publish to")))?;
    Ok(match args.receive {
        Some(_) => Action::Receive { topic_name },
        None => Action::Publish {
            topic_name,
            qos,
            retain,
        },
    })
}
