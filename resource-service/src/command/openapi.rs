//! `openapi`: print the document that `/openapi.json` serves.

use shared::database::Database;

use crate::{
    config::Settings,
    document::Documents,
    http::{self, About},
};

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let config = settings.check()?;
    let id = config.id_at(config.listen);
    let about = About { id, issuer: config.issuer, has_docs: true, takes_api_keys: config.api_keys };
    // The document does not depend on what is kept, so nothing is.
    let documents = Documents::new(Database::connect("sqlite::memory:", 1).await?, config.documents_per_owner);
    println!("{}", http::document(&http::api(&about, &documents), &about));
    Ok(())
}
