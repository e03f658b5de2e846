//! `map` blocks of nginx: from the value of a variable to the name of whoever has it.
//!
//! Which variables hold keys is told by their names (`$http_*`, `$arg_*`, `$cookie_*`); `$remote_user` holds a user. Other maps
//! are passed over.

use super::super::extract::Scheme;
use super::super::registry::{AccountDraft, Handle};
use super::collect::{About, Collector};
use super::{Exported, ForeignError, in_use, unspoken};
use zeroize::Zeroizing;

/// Blocks within blocks.
const DEPTH: usize = 64;

/// A word, or one of `;`, `{` and `}`; in quotes it is always a word.
enum Token {
    Word(Zeroizing<String>),
    End,
    Open,
    Close,
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
}

impl Reader<'_> {
    fn step(&mut self) -> Option<char> {
        let c = self.rest.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    /// The next token with its line, as ngx_conf_read_token() of nginx takes it.
    fn token(&mut self) -> Result<Option<(usize, Token)>, ForeignError> {
        while let Some(c) = self.rest.peek().copied() {
            if c == '#' {
                while self.step().is_some_and(|c| c != '\n') {}
            } else if c.is_whitespace() {
                self.step();
            } else {
                break;
            }
        }
        let line = self.line;
        let Some(first) = self.step() else {
            return Ok(None);
        };
        let token = match first {
            ';' => Token::End,
            '{' => Token::Open,
            '}' => Token::Close,
            '"' | '\'' => Token::Word(self.quoted(first, line)?),
            first => Token::Word(self.word(first)),
        };
        Ok(Some((line, token)))
    }

    fn quoted(&mut self, quote: char, line: usize) -> Result<Zeroizing<String>, ForeignError> {
        let mut word = Zeroizing::new(String::new());
        loop {
            match self.step() {
                None => return Err(ForeignError::new(line, "a quote that does not end")),
                Some(c) if c == quote => return Ok(word),
                Some('\\') => match self.step() {
                    Some(c) if matches!(c, '"' | '\'' | '\\') => word.push(c),
                    Some('n') => word.push('\n'),
                    Some('r') => word.push('\r'),
                    Some('t') => word.push('\t'),
                    Some(c) => word.extend(['\\', c]),
                    None => return Err(ForeignError::new(line, "a quote that does not end")),
                },
                Some(c) => word.push(c),
            }
        }
    }

    fn word(&mut self, first: char) -> Zeroizing<String> {
        let mut word = Zeroizing::new(String::from(first));
        while let Some(c) = self.rest.peek().copied() {
            // `${name}` is one word.
            let brace = c == '{' && word.ends_with('$');
            if c.is_whitespace() || c == ';' || (c == '{' && !brace) {
                break;
            }
            self.step();
            word.push(c);
            if brace {
                while let Some(c) = self.step() {
                    word.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
        }
        word
    }
}

/// What the values of a variable are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    User,
}

fn kind(variable: &str) -> Option<Kind> {
    let keys = ["$http_", "$arg_", "$cookie_"];
    if variable == "$remote_user" {
        Some(Kind::User)
    } else if keys.iter().any(|start| variable.starts_with(start)) {
        Some(Kind::Key)
    } else {
        None
    }
}

pub(super) fn import(text: &str, collector: &mut Collector<'_>) -> Result<(), ForeignError> {
    let mut reader = Reader {
        rest: text.chars().peekable(),
        line: 1,
    };
    let mut words: Vec<Zeroizing<String>> = Vec::new();
    let mut depth = 0;
    let mut maps = 0;
    while let Some((line, token)) = reader.token()? {
        match token {
            Token::Word(word) => words.push(word),
            Token::End => words.clear(),
            Token::Open => {
                let source = match words.as_slice() {
                    [map, source, _] if **map == "map" => kind(source),
                    _ => None,
                };
                words.clear();
                match source {
                    Some(kind) => {
                        maps += 1;
                        block(&mut reader, kind, line, collector)?;
                    }
                    None => depth += 1,
                }
                if depth > DEPTH {
                    return Err(ForeignError::new(line, "blocks within far too many blocks"));
                }
            }
            Token::Close => {
                words.clear();
                if depth == 0 {
                    return Err(ForeignError::new(line, "`}` that closes nothing"));
                }
                depth -= 1;
            }
        }
    }
    if maps == 0 {
        return Err(ForeignError::new(
            None,
            "no `map` from $http_NAME, $arg_NAME, $cookie_NAME or $remote_user",
        ));
    }
    Ok(())
}

fn block(
    reader: &mut Reader<'_>,
    kind: Kind,
    opened: usize,
    collector: &mut Collector<'_>,
) -> Result<(), ForeignError> {
    let mut words: Vec<Zeroizing<String>> = Vec::new();
    while let Some((line, token)) = reader.token()? {
        match token {
            Token::Word(word) => words.push(word),
            Token::Open => return Err(ForeignError::new(line, "`{` inside a map")),
            Token::Close if words.is_empty() => return Ok(()),
            Token::Close => return Err(ForeignError::new(line, "an entry without `;`")),
            Token::End => {
                entry(&words, kind, line, collector)?;
                words.clear();
            }
        }
    }
    Err(ForeignError::new(opened, "a map that does not end"))
}

fn entry(
    words: &[Zeroizing<String>],
    kind: Kind,
    line: usize,
    collector: &mut Collector<'_>,
) -> Result<(), ForeignError> {
    let place = format!("line {line}");
    let (value, name) = match words {
        [flag] if matches!(flag.as_str(), "hostnames" | "volatile") => return Ok(()),
        [value, name] => (value.as_str(), name.as_str()),
        _ => return Err(ForeignError::new(line, "an entry reads VALUE NAME;")),
    };
    if value == "include" {
        collector.remark(
            &place,
            "the file that is included is not read: import it too",
        );
        return Ok(());
    }
    if value == "default" || name.is_empty() || value.is_empty() {
        return Ok(());
    }
    if value.starts_with('~') {
        collector.remark(&place, "a regular expression is no key");
        return Ok(());
    }
    if name.contains('$') {
        collector.remark(&place, "the name depends on a variable");
        return Ok(());
    }
    // A value that would be read otherwise stands behind a backslash.
    let value = value.strip_prefix('\\').unwrap_or(value);
    let account = collector.account(name)?;
    match kind {
        Kind::Key => collector.secret(account, &place, value, About::default()),
        Kind::User => collector.subject(account, &place, Scheme::Basic, value, About::default()),
    }
}

pub(super) fn export(accounts: &[AccountDraft], now: i64) -> Exported {
    let (accounts, mut remarks) = in_use(accounts, now);
    let (mut keys, mut users) = (String::new(), String::new());
    let mut others = 0;
    for account in &accounts {
        for (_, key) in account.keys() {
            match &key.handle {
                Handle::Fingerprint(fingerprint) => {
                    keys.push_str(&format!("    \"{fingerprint}\" {};\n", account.id));
                }
                Handle::Identity(identity)
                    if identity.scheme == Scheme::Basic && !identity.subject.is_empty() =>
                {
                    let subject = quote(&identity.subject);
                    users.push_str(&format!("    {subject} {};\n", account.id));
                }
                Handle::Identity(_) => others += 1,
            }
        }
    }
    unspoken(
        others,
        "nginx has no variable for their subjects",
        &mut remarks,
    );
    let mut text = format!("map $http_x_api_key $consumer {{\n    default \"\";\n{keys}}}\n");
    if !users.is_empty() {
        text.push_str(&format!(
            "map $remote_user $consumer_user {{\n    default \"\";\n{users}}}\n"
        ));
    }
    Exported { text, remarks }
}

/// A value in quotes, behind a backslash where nginx would take it for something else.
fn quote(value: &str) -> String {
    let special = ["default", "hostnames", "include", "volatile"].contains(&value)
        || value.starts_with(['~', '\\']);
    let mut text = String::from("\"");
    if special {
        text.push_str("\\\\");
    }
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
