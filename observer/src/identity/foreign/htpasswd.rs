//! Users of Basic authentication: `name:digest`, one a line. The digest is never looked at: a user is known by the name.

use super::super::extract::Scheme;
use super::super::registry::{AccountDraft, Handle};
use super::collect::{About, Collector};
use super::{Exported, ForeignError, in_use, unspoken};

pub(super) fn import(text: &str, collector: &mut Collector<'_>) -> Result<(), ForeignError> {
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let number = number + 1;
        let user = match line.split_once(':') {
            Some((user, _)) if !user.is_empty() => user,
            _ => {
                return Err(ForeignError::new(
                    number,
                    "no user: a line reads NAME:DIGEST",
                ));
            }
        };
        let account = collector.account(user)?;
        let place = format!("line {number}");
        collector.subject(account, &place, Scheme::Basic, user, About::default())?;
    }
    Ok(())
}

pub(super) fn export(accounts: &[AccountDraft], now: i64) -> Exported {
    let (accounts, mut remarks) = in_use(accounts, now);
    let mut text = String::new();
    let mut others = 0;
    for (_, key) in accounts.iter().flat_map(AccountDraft::keys) {
        match &key.handle {
            Handle::Identity(identity)
                if identity.scheme == Scheme::Basic
                    && !identity.subject.contains([':', '\n', '\r'])
                    && !identity.subject.starts_with('#')
                    && !identity.subject.trim().is_empty() =>
            {
                text.push_str(&identity.subject);
                // What no password has as its digest.
                text.push_str(":!\n");
            }
            _ => others += 1,
        }
    }
    unspoken(
        others,
        "they are no users of Basic authentication",
        &mut remarks,
    );
    Exported { text, remarks }
}
