//! What commands ask the running daemon for, and what it answers: one line of JSON each way.

use serde::{Deserialize, Serialize};

use crate::response::{Action, ActionId, Radius, SubjectKind, Verb};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Shut somebody off, or limit them.
    Act {
        /// A network, a fingerprint, or an id of the registry.
        target: String,
        /// What kind of thing that is, where more than one has the name.
        kind: Option<SubjectKind>,
        /// What to do.
        verb: Verb,
        /// For how long.
        seconds: u64,
        /// Why.
        reason: String,
        /// Only say what it would hit.
        dry_run: bool,
    },
    /// End an action, or take a proposal back.
    Undo {
        /// Its id, or whom it is about.
        target: String,
        /// What kind of thing that is, where more than one has the name.
        kind: Option<SubjectKind>,
    },
    /// Put a proposal in force.
    Approve {
        /// Its id.
        id: ActionId,
    },
    /// Do not want a proposal.
    Reject {
        /// Its id.
        id: ActionId,
    },
    /// End everything.
    Clear,
    /// Tell what is in force, proposed, or was lately.
    List,
}

/// What is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was done or ended; of a list, all.
    pub actions: Vec<Action>,
    /// What was hit in the last hour by whom a dry run is about.
    pub radius: Option<Radius>,
    /// What else there is to know, a sentence each.
    pub notes: Vec<String>,
}
