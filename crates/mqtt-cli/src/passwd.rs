//! `mqtt passwd`: changes a password file.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use mqtt_access::{HashForm, UserFile, UserFileError};
use zeroize::Zeroizing;

use crate::{
    args::{HashArg, PasswdArgs},
    exit::Failure,
};

/// Runs the command.
pub(crate) fn run(args: &PasswdArgs) -> Result<ExitCode, Failure> {
    let mut file = match args.create {
        true => UserFile::empty(&args.file),
        false => UserFile::open(&args.file).map_err(failure)?,
    };
    file.hash_with(match args.hash.unwrap_or_default() {
        HashArg::Argon2id => HashForm::Argon2id,
        HashArg::Sha512Pbkdf2 => HashForm::Pbkdf2Sha512,
    });
    if args.list {
        // A reader that went away is no failure of ours.
        let _ = list(&file);
        return Ok(ExitCode::SUCCESS);
    }
    let said = match &args.username {
        None => match file.hash_plain().map_err(failure)? {
            0 => "nothing stood there in plain text".to_owned(),
            1 => "1 password hashed".to_owned(),
            hashed => format!("{hashed} passwords hashed"),
        },
        Some(username) if args.delete => {
            file.remove(username).map_err(failure)?;
            format!("user {username} taken out")
        }
        Some(username) => {
            // A name that a line cannot hold is refused before anybody types a password.
            UserFile::check_name(username).map_err(failure)?;
            let password = match &args.password {
                Some(password) => Zeroizing::new(password.clone()),
                None => asked_for()?,
            };
            match file.set(username, password.as_bytes()).map_err(failure)? {
                true => format!("user {username} added"),
                false => format!("password of {username} changed"),
            }
        }
    };
    file.save().map_err(failure)?;
    let _ = writeln!(io::stderr(), "{said}");
    Ok(ExitCode::SUCCESS)
}

fn list(file: &UserFile) -> io::Result<()> {
    let mut out = io::stdout().lock();
    file.names().try_for_each(|name| writeln!(out, "{name}"))
}

/// Twice from a terminal, which does not show it; else the first line of standard input.
pub(crate) fn asked_for() -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        return first_line();
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
    let password = ask("Password: ").map_err(unread)?;
    let again = ask("Once more: ").map_err(unread)?;
    match password == again {
        true => Ok(password),
        false => Err(Failure::usage("the two passwords are not the same")),
    }
}

/// The first line of standard input.
pub(crate) fn first_line() -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    let len = io::stdin().lock().read_line(&mut line).map_err(unread)?;
    if len == 0 {
        return Err(Failure::usage("no password on standard input"));
    }
    let kept = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(kept);
    Ok(line)
}

fn unread(error: io::Error) -> Failure {
    Failure::run_time(format_args!("cannot read the password: {error}"))
}

fn failure(error: UserFileError) -> Failure {
    match error {
        UserFileError::Name { .. } => Failure::usage(error),
        error => Failure::run_time(error),
    }
}
