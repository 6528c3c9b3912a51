//! The audit trail, as its operator reads and proves it.

use anyhow::Context;

use super::Operator;
use crate::{
    app,
    audit::{AuditLog, Chain, Filter, NameKey, Recorded, Verification},
    clock,
    signing_key::KeyRing,
    store::setting,
};

impl Operator {
    /// Seals what has been recorded so far and signs a checkpoint over it, which a running service does by itself.
    pub async fn seal_audit(&self) -> anyhow::Result<()> {
        let ring = KeyRing::load(&self.store, &self.rotator.sealer).await?;
        Ok(self.chain().await?.seal_now(&ring, clock::now()).await?)
    }

    /// Looks at the whole chain of audit events and says what does not fit, each with the event's number.
    pub async fn verify_audit(&self) -> anyhow::Result<Vec<String>> {
        let verification = self.audit_verification().await?;
        Ok(verification.findings.iter().map(|finding| format!("event {}: {}", finding.event, finding.problem)).collect())
    }

    /// Forgets the audit events that were recorded before this instant, in seconds since 1970, as far as checkpoints allow.
    pub async fn forget_audit_before(&self, before: i64) -> anyhow::Result<u64> {
        Ok(self.chain().await?.forget_before(before).await?)
    }

    pub(crate) async fn audit_verification(&self) -> anyhow::Result<Verification> {
        Ok(self.chain().await?.verify(clock::now() - self.audit_retention).await?)
    }

    pub(crate) async fn audit_events(&self, filter: &Filter, before: Option<&str>, limit: u32) -> anyhow::Result<Vec<Recorded>> {
        Ok(AuditLog { store: self.store.clone() }.search(filter, before, limit).await?)
    }

    async fn chain(&self) -> anyhow::Result<Chain> {
        let issuer = setting::find(&self.store, "issuer").await?.context("no service has been started on this database yet")?;
        let key = app::sealed_key(&self.store, &self.rotator.sealer, app::AUDIT_KEY).await?;
        Ok(Chain { store: self.store.clone(), issuer, key: NameKey(key) })
    }
}
