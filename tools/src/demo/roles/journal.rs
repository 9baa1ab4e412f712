//! The journal as a role.

use super::{RoleAgent, RoleContext};
use crate::demo::report::RoleReport;
use crate::error::Result;
use selvedge_fabric::agent::{Agent, AgentError, Progress};
use selvedge_journal::{JournalAgent, JournalConfig, WriteMode};

/// See the module.
pub struct JournalRole(JournalAgent);

impl JournalRole {
    /// A new journal of the fabric.
    pub fn new(context: &RoleContext) -> Result<Self> {
        let mode = if context.manual_time.is_some() {
            WriteMode::Inline
        } else {
            WriteMode::HelperThread
        };
        let config = JournalConfig {
            mode,
            ..JournalConfig::default()
        };
        Ok(JournalRole(JournalAgent::new(
            &context.fabric,
            &context.journal,
            &config,
        )?))
    }
}

impl Agent for JournalRole {
    fn name(&self) -> &str {
        self.0.name()
    }

    #[inline]
    fn do_work(&mut self) -> Result<Progress, AgentError> {
        self.0.do_work()
    }
}

impl RoleAgent for JournalRole {
    fn report(&self) -> RoleReport {
        RoleReport::Journal {
            frames: self.0.frames(),
            waited: self.0.waited(),
        }
    }
}
