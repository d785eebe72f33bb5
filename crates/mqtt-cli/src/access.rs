//! `mqtt access`: asks what a broker with this configuration would decide.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use mqtt_access::Action;
use mqtt_broker::{AccessAnswer, AccessQuestion, Explainer, Explanation, PeerCertificate};
use mqtt_codec::{TopicFilter, TopicName};
use serde_json::{Map, Value, json};

use crate::{
    args::{AccessCommand, ExplainArgs},
    broker,
    exit::{DENIED, Failure},
    passwd,
};

/// Runs the command.
pub(crate) fn run(command: &AccessCommand) -> Result<ExitCode, Failure> {
    match command {
        AccessCommand::Explain(args) => explain(args),
    }
}

fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let mut config = broker::from_file(args.config.as_deref())?;
    if args.data_dir.is_some() {
        config.node.data_dir.clone_from(&args.data_dir);
    }
    config.node.data_dir = broker::data_path(&config).ok();
    let certificate = certificate(args)?;
    let password = match args.password_stdin {
        true => Some(passwd::first_line()?),
        false => None,
    };
    let attributes = args.attributes.iter();
    let mut question = AccessQuestion::new(&args.client, action(args)?);
    question.username = args.user.as_deref();
    question.password = password.as_ref().map(|text| text.as_bytes());
    question.address = args.address;
    question.listener = args.listener.as_deref();
    question.certificate = certificate.as_ref();
    question.attributes = attributes
        .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::no_runtime)?;
    let answer = runtime.block_on(async {
        let explainer = Explainer::from_config(config).map_err(Failure::usage)?;
        if let Some(name) = question.listener
            && !explainer.has_listener(name)
        {
            return Err(Failure::usage(format_args!(
                "the configuration has no listener `{name}`"
            )));
        }
        Ok(explainer.ask(&question).await)
    })?;
    let said = match args.json {
        true => format!("{}\n", in_json(&answer)),
        false => in_words(&answer),
    };
    // A reader that went away is no failure of ours.
    let _ = io::stdout().write_all(said.as_bytes());
    Ok(match answer.is_allowed {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(DENIED),
    })
}

fn certificate(args: &ExplainArgs) -> Result<Option<PeerCertificate>, Failure> {
    let of_file = |path: &Path| PeerCertificate::from_file(path).map_err(Failure::usage);
    match (&args.cert, &args.cert_common_name) {
        (Some(path), _) => of_file(path).map(Some),
        (None, name) => Ok(name.as_deref().map(PeerCertificate::vouched_for)),
    }
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

/// The verdict with what decided, alone on the first line; what that rests on below it.
fn in_words(answer: &AccessAnswer) -> String {
    let admission = &answer.admission.ground;
    let mut text = match (answer.is_allowed, admission.is_in()) {
        (true, _) => format!("allowed: {}\n", answer.right.ground),
        (false, true) => format!("denied: {}\n", answer.right.ground),
        (false, false) => format!("denied: {admission}\n"),
    };
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<16}{value}\n"));
    match answer.admission.answers.as_slice() {
        [] => line("authentication", admission.to_string()),
        answers => {
            for (nth, one) in answers.iter().enumerate() {
                let name = if nth == 0 { "authentication" } else { "" };
                let said = format!("{}: {}", one.authenticator, one.words);
                line(name, said);
            }
        }
    }
    if admission.is_in() {
        line("client", who(answer));
        if let Some(rule) = &answer.right.rule {
            line("rule", rule.to_string());
        }
    }
    text
}

/// As whom the rules see the client.
fn who(answer: &AccessAnswer) -> String {
    let client = &answer.client;
    let name = match client.username.as_deref() {
        Some(username) => format!("{:?}, user {username:?}", client.client_id),
        None => format!("{:?}, without a user name", client.client_id),
    };
    let attributes = client.attributes.as_deref().into_iter().flatten();
    attributes.fold(name, |text, (name, value)| {
        format!("{text}, {name} {value:?}")
    })
}

fn in_json(answer: &AccessAnswer) -> Value {
    let admission = &answer.admission;
    let (ground, client) = (&admission.ground, &answer.client);
    let answers = admission.answers.iter();
    let answers =
        answers.map(|one| json!({"authenticator": *one.authenticator, "says": one.words}));
    let attributes = client.attributes.as_deref().into_iter().flatten();
    let attributes = attributes.map(|(name, value)| (name.to_string(), json!(value)));
    json!({
        "allowed": answer.is_allowed,
        "decided_by": if ground.is_in() { "authorization" } else { "authentication" },
        "authentication": {
            "allowed": ground.is_in(),
            "ground": ground.label(),
            "authenticator": ground.authenticator(),
            "text": ground.to_string(),
            "answers": answers.collect::<Vec<_>>(),
        },
        "authorization": right_in_json(&answer.right),
        "client": {
            "client_id": client.client_id,
            "username": client.username,
            "superuser": client.superuser,
            "attributes": attributes.collect::<Map<_, _>>(),
        },
    })
}

fn right_in_json(right: &Explanation) -> Value {
    let written = right.ground.rule();
    json!({
        "allowed": right.is_allowed,
        "ground": right.ground.label(),
        "text": right.ground.to_string(),
        "file": written.map(|written| written.file.display().to_string()),
        "line": written.map(|written| written.line),
        "rule": right.rule,
    })
}
