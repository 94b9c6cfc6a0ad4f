//! What the comparison found: for people, and as JSON where it is asked for.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use serde_json::{Value, json};

use super::{
    comparison::Difference,
    explained::{self, Explained},
    reference::Request,
};

/// Values are printed up to this many characters.
const SHOWN: usize = 160;

/// What differs, explained or not.
pub struct Report {
    model: String,
    requests: usize,
    equal: usize,
    /// What is explained, and where it occurred.
    known: Vec<(Explained, Vec<Found>)>,
    unexplained: Vec<Found>,
}

struct Found {
    request: String,
    difference: Difference,
}

impl Report {
    /// Nothing compared yet.
    pub fn new(model: &str) -> Self {
        let known = explained::all().into_iter().map(|known| (known, Vec::new())).collect();
        Self { model: model.to_owned(), requests: 0, equal: 0, known, unexplained: Vec::new() }
    }

    /// Adds what differs in the answers to `request`.
    pub fn add(&mut self, request: &Request, differences: Vec<Difference>) {
        self.requests += 1;
        self.equal += usize::from(differences.is_empty());
        for difference in differences {
            let explained = self.known.iter_mut().find(|(known, _)| known.explains(request, &difference));
            let found = explained.map_or(&mut self.unexplained, |(_, found)| found);
            found.push(Found { request: request.name.clone(), difference });
        }
    }

    /// Prints the report, and writes it as JSON into the folder that `BLINDLLAMA_DIFFERENTIAL_REPORT` names.
    ///
    /// # Panics
    /// If a difference is not explained, or, where the comparison is `whole`, an explained one of this model no longer occurs.
    pub fn finish(&self, whole: bool) {
        eprint!("{}", self.text());
        if let Some(folder) = std::env::var_os("BLINDLLAMA_DIFFERENTIAL_REPORT") {
            let path = PathBuf::from(folder).join(format!("{}.json", self.model));
            std::fs::write(&path, format!("{:#}\n", self.json())).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        assert!(self.unexplained.is_empty(), "{} differences are not explained", self.unexplained.len());
        if !whole {
            return;
        }
        let stale = self.known.iter().filter(|(known, found)| found.is_empty() && known.models.contains(&self.model));
        let stale: Vec<_> = stale.map(|(known, _)| (&known.id, known.first_path())).collect();
        assert!(stale.is_empty(), "no longer differ: {stale:?}");
    }

    /// Explained differences that occurred, by their ids.
    fn explained(&self) -> BTreeMap<&str, Vec<&Found>> {
        let mut explained: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (known, found) in self.known.iter().filter(|(_, found)| !found.is_empty()) {
            explained.entry(&known.id).or_default().extend(found);
        }
        explained
    }

    fn text(&self) -> String {
        let Self { model, requests, equal, .. } = self;
        let mut text = format!("{model}: {requests} requests, {equal} equal in all fields\n");
        for (id, found) in self.explained() {
            let _ = writeln!(text, "{:6} × {id}", found.len());
        }
        for Found { request, difference: Difference { path, ours, theirs } } in &self.unexplained {
            let _ = writeln!(text, "  {request}: {path}\n    gateway {}\n    vLLM    {}", printed(ours), printed(theirs));
        }
        text
    }

    fn json(&self) -> Value {
        let Self { model, requests, equal, .. } = self;
        let explained: BTreeMap<_, Vec<_>> =
            self.explained().into_iter().map(|(id, found)| (id, found.into_iter().map(Found::json).collect())).collect();
        let unexplained: Vec<_> = self.unexplained.iter().map(Found::json).collect();
        json!({"model": model, "requests": requests, "equal": equal, "explained": explained, "unexplained": unexplained})
    }
}

impl Found {
    fn json(&self) -> Value {
        let Self { request, difference: Difference { path, ours, theirs } } = self;
        json!({"request": request, "path": path, "gateway": ours, "vllm": theirs})
    }
}

fn printed(value: &Option<Value>) -> String {
    value.as_ref().map_or("(absent)".to_owned(), |value| value.to_string().chars().take(SHOWN).collect())
}
