//! `emqx.conf`: listeners, `mqtt.*`, authentication, authorization and more, as this broker's configuration.

mod access;
mod keys;
mod listener;
mod value;

use crate::hocon::{Node, Value, parse, resolve};
use crate::remark::{Class, Imported, Remark};
use crate::toml_text::{TomlText, quoted};
use keys::{Form, KEYS, NOTES, note};
use value::{converted, flag};

/// Reads an `emqx.conf`; `name` stands for it in remarks, `data_dir` is the broker's directory.
///
/// It never fails: what is wrong is a remark of [`Class::Refused`].
pub fn emqx_conf(name: &str, text: &str, data_dir: Option<&str>) -> Imported {
    let mut import = Import {
        name,
        toml: TomlText::default(),
        remarks: Vec::new(),
    };
    match parse(text) {
        Ok(document) => {
            let mut root = document.root;
            for (line, file) in document.includes {
                let text =
                    format!("{file} is not read, and may say who is let in: put its lines here");
                import.say(line, "include", Class::Refused, &text);
            }
            for (line, path) in resolve(&mut root) {
                let text = "it names nothing in this file";
                import.say(line, &format!("${{{path}}}"), Class::Refused, text);
            }
            import.all(&root, data_dir);
        }
        Err(error) => import.say(error.line, "HOCON", Class::Refused, &error.what),
    }
    let title = format!(
        "The configuration of {name}, an emqx.conf, for `mqtt broker`.\nWhat has no counterpart was named by `mqtt import`."
    );
    let mut remarks = import.remarks;
    remarks.sort_by_key(|remark| remark.line);
    Imported {
        toml: import.toml.render(&title),
        remarks,
    }
}

/// What is written, and what is said about it.
struct Import<'a> {
    name: &'a str,
    toml: TomlText,
    remarks: Vec<Remark>,
}

impl Import<'_> {
    fn all(&mut self, root: &Value, data_dir: Option<&str>) {
        self.authentication(root);
        self.authorization(root);
        if let Some(dir) = data_dir {
            self.toml.set("node", "data_dir", &quoted(dir), "");
        }
        self.listeners(root);
        root.leaves(&mut |path, value| {
            let dotted = path.join(".");
            match path.first().copied() {
                Some("listeners" | "authentication") => {}
                Some("rewrite" | "auto_subscribe") => {}
                _ if dotted == "authorization.sources" => {}
                _ => self.leaf(&dotted, value),
            }
        });
        self.tables(root, &["rewrite"], "rewrite", REWRITE);
        self.tables(
            root,
            &["auto_subscribe", "topics"],
            "auto_subscribe.topics",
            AUTO_SUBSCRIBE,
        );
    }

    fn say(&mut self, line: u32, directive: &str, class: Class, text: &str) {
        self.remarks.push(Remark {
            origin: self.name.to_owned(),
            line,
            directive: directive.to_owned(),
            class,
            text: text.to_owned(),
        });
    }

    /// A key outside of listeners, authentication and sources of authorization.
    fn leaf(&mut self, path: &str, value: &Value) {
        if let Some((_, header, key, form)) = KEYS.iter().find(|(name, ..)| *name == path) {
            self.convert(header, key, *form, path, value);
            return self.also(path, value);
        }
        let (class, text) =
            note(NOTES, path).unwrap_or((Class::Ignored, "there is no such setting here"));
        self.unless_off(path, value, class, text);
    }

    /// What must not be ignored may be, if it is switched off.
    fn unless_off(&mut self, path: &str, value: &Value, class: Class, text: &str) {
        let is_empty = match &value.node {
            Node::Text(text) => text.is_empty() || matches!(text.as_str(), "disabled" | "null"),
            Node::List(list) => list.is_empty(),
            Node::Object(fields) => fields.is_empty(),
            _ => false,
        };
        let is_off = is_empty || value.text().and_then(flag) == Some(false);
        match class {
            Class::Refused if is_off => {}
            class => self.say(value.line, path, class, text),
        }
    }

    fn convert(&mut self, header: &str, key: &str, form: Form, path: &str, value: &Value) {
        let line = value.line;
        let Some(found) = converted(value, form) else {
            let class = match form {
                // Something else would be used instead, and rules are about it.
                Form::CertificateField | Form::Texts => Class::Refused,
                _ => Class::Differs,
            };
            return self.say(
                line,
                path,
                class,
                "its value has no counterpart, so the default holds",
            );
        };
        if found.contains("${EMQX_") {
            let text = "it has a variable of EMQX's start script: write the path out";
            self.say(line, path, Class::Differs, text);
        }
        self.toml.set(header, key, &found, &format!("line {line}"));
    }

    /// What is to be said about a key that was converted.
    fn also(&mut self, path: &str, value: &Value) {
        let text = match path {
            "mqtt.session_expiry_interval" => {
                "EMQX has it for clients before v5; here it bounds all, v5 clients too"
            }
            "mqtt.server_keepalive" if value.text() != Some("disabled") => {
                "it is the longest Keep Alive, and not everybody's"
            }
            "retainer.enable" if value.text().and_then(flag) == Some(false) => {
                "publishing retained messages is refused then"
            }
            _ => return,
        };
        self.say(value.line, path, Class::Differs, text);
    }

    /// A list of tables with the same keys here.
    fn tables(&mut self, root: &Value, path: &[&str], header: &str, keys: &[(&str, Form)]) {
        let Some(found) = root.at(path) else {
            return;
        };
        let Node::List(list) = &found.node else {
            return self.unless_off(header, found, Class::Differs, "it is no list");
        };
        for element in list {
            self.toml.push(header);
            element.leaves(&mut |path, value| {
                let dotted = path.join(".");
                let known = keys.iter().find(|(name, _)| *name == dotted);
                match known.and_then(|(name, form)| Some((name, converted(value, *form)?))) {
                    Some((name, written)) => {
                        let source = format!("line {}", value.line);
                        self.toml.set_last(name, &written, &source);
                    }
                    None => {
                        let name = format!("{header}.{dotted}");
                        self.say(value.line, &name, Class::Differs, "it has no counterpart");
                    }
                }
            });
        }
    }
}

const REWRITE: &[(&str, Form)] = &[
    ("action", Form::Text),
    ("source_topic", Form::Text),
    ("dest_topic", Form::Text),
    ("re", Form::Text),
];

const AUTO_SUBSCRIBE: &[(&str, Form)] = &[
    ("topic", Form::Text),
    ("qos", Form::Number),
    ("rh", Form::Number),
    ("rap", Form::Number),
    ("nl", Form::Number),
];
