//! Rank: who may change what of whom. This is the whole rule.
//!
//! What somebody holds is what their roles hold in the database, inside the transaction of the change; what their access
//! token says is not asked. Administrative rights are the scopes that begin with `admin:`. Somebody ranks above another
//! whose administrative rights are a part of their own, and not all of them.

use shared::scope::Scope;

use super::Denial;
use crate::{
    clock,
    store::{
        AuditEvent,
        change::{Deed, Facts, Own, Rule, Who},
    },
};

const ADMINISTRATIVE: &str = "admin:";

/// The rule for everybody who calls over HTTP.
pub(super) fn rule(facts: &Facts) -> Result<(), Denial> {
    if facts.needs.is_some_and(|scope| !facts.actor.contains(scope)) {
        return Err(Denial::NoLonger);
    }
    for_the_operator(facts)?;
    match facts.own {
        Own::Rights => return Err(Denial::OwnRights),
        Own::Harmless => return Ok(()),
        Own::No => {}
    }
    if !facts.actor.contains_all(&facts.given) {
        return Err(Denial::BeyondOwn);
    }
    let own = administrative(&facts.actor);
    let target = administrative(&facts.target);
    let ranks_above = own.contains_all(&target) && own != target;
    if !ranks_above || !own.contains_all(&administrative(&facts.reach)) {
        return Err(Denial::EqualOrHigher);
    }
    Ok(())
}

/// The rule for the operator, who is above rank: somebody must remain who can administer.
pub(crate) const fn for_the_operator(facts: &Facts) -> Result<(), Denial> {
    if facts.strips_last_admin { Err(Denial::LastAdmin) } else { Ok(()) }
}

/// The rule for an operator who was told what it means to have no administrator.
#[expect(clippy::unnecessary_wraps, reason = "it is a rule like the others")]
pub(crate) const fn without_exception(_: &Facts) -> Result<(), Denial> {
    Ok(())
}

/// A change by the operator.
pub(crate) fn by_operator(rule: Rule, event: AuditEvent) -> Deed {
    Deed { who: Who::Operator, needs: None, versions: None, rule, now: clock::now(), event }
}

/// Whether a scope token is an administrative right.
pub(super) fn is_administrative(token: &str) -> bool {
    token.starts_with(ADMINISTRATIVE)
}

fn administrative(scope: &Scope) -> Scope {
    Scope::from_tokens(scope.iter().filter(|token| is_administrative(token))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(actor: &str, target: &str, given: &str, own: Own) -> Result<(), Denial> {
        let scope = |text: &str| text.parse().unwrap();
        rule(&Facts { actor: scope(actor), target: scope(target), given: scope(given), own, ..Facts::default() })
    }

    #[test]
    fn rank_is_by_administrative_rights_alone() {
        assert_eq!(decide("admin:users", "documents:write documents:admin", "", Own::No), Ok(()));
        assert_eq!(decide("admin:users admin:keys", "admin:keys", "", Own::No), Ok(()));
        assert_eq!(decide("admin:users", "admin:users", "", Own::No), Err(Denial::EqualOrHigher));
        assert_eq!(decide("admin:users", "admin:audit", "", Own::No), Err(Denial::EqualOrHigher), "beside is not below");
        assert_eq!(decide("admin:users", "admin:users admin:keys", "", Own::No), Err(Denial::EqualOrHigher));
    }

    #[test]
    fn nobody_gives_what_they_do_not_hold() {
        assert_eq!(decide("admin:users account", "", "account", Own::No), Ok(()));
        assert_eq!(decide("admin:users account", "", "admin:users", Own::No), Ok(()), "what is held may be given");
        assert_eq!(decide("admin:users", "", "account", Own::No), Err(Denial::BeyondOwn));
    }

    #[test]
    fn nobody_changes_their_own_rights() {
        assert_eq!(decide("admin:users", "admin:users", "", Own::Rights), Err(Denial::OwnRights));
        assert_eq!(decide("admin:users", "admin:users", "", Own::Harmless), Ok(()));
    }

    #[test]
    fn the_last_administrator_stays_and_lost_rights_are_lost() {
        let facts = Facts { strips_last_admin: true, actor: "admin:users".parse().unwrap(), ..Facts::default() };
        assert_eq!(rule(&facts), Err(Denial::LastAdmin));
        assert_eq!(for_the_operator(&facts), Err(Denial::LastAdmin));
        assert_eq!(without_exception(&facts), Ok(()));
        assert_eq!(rule(&Facts { needs: Some("admin:keys"), ..facts }), Err(Denial::NoLonger));
    }
}
