//! The schema's history, built into the program.

use include_dir::{Dir, include_dir};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::Result;

static SQLITE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite");
static POSTGRES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations/postgres");

/// The migrations of an SQLite database.
pub(super) fn sqlite() -> Result<Migrator> {
    read(&SQLITE)
}

/// The migrations of a PostgreSQL database. Running them takes an advisory lock, so that replicas
/// which start together wait for one another.
pub(super) fn postgres() -> Result<Migrator> {
    read(&POSTGRES)
}

fn read(folder: &'static Dir<'static>) -> Result<Migrator> {
    let migrations = folder
        .files()
        .map(|file| {
            let name = file.path().file_stem()?.to_str()?;
            let (number, description) = name.split_once('_')?;
            let sql = file.contents_utf8()?.into_sql_str();
            let description = description.replace('_', " ").into();
            Some(Migration::new(
                number.parse().ok()?,
                description,
                MigrationType::Simple,
                sql,
                false,
            ))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| super::row::corrupt("(migrations)", "expected files NUMBER_NAME.sql"))?;
    Ok(Migrator::with_migrations(migrations))
}

/// Names of the embedded files, for the test that compares the two folders.
#[cfg(test)]
fn names(folder: &Dir<'static>) -> Vec<String> {
    let mut names: Vec<_> = folder
        .files()
        .map(|file| file.path().display().to_string())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_migrations() {
        assert_eq!(names(&SQLITE), names(&POSTGRES));
        assert!(sqlite().unwrap().version_exists(1));
    }
}
