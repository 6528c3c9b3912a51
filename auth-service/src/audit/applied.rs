//! What a desired state changes, and the commands that change things in the same way.

/// What was put or removed; the record's subject says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    ResourcePut,
    ResourceRemoved,
    RolePut,
    RoleRemoved,
    ClientPut,
    ClientRemoved,
    UserRemoved,
    /// A backup was put in place of the database.
    Restored,
    /// A deployment was moved here from another database.
    Imported,
}

impl Applied {
    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::ResourcePut => "resource.put",
            Self::ResourceRemoved => "resource.remove",
            Self::RolePut => "role.put",
            Self::RoleRemoved => "role.remove",
            Self::ClientPut => "client.put",
            Self::ClientRemoved => "client.remove",
            Self::UserRemoved => "user.remove",
            Self::Restored => "database.restore",
            Self::Imported => "database.import",
        }
    }
}
