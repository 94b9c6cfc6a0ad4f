//! What a run found: printed as it comes, and kept.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{chart, table::Row};

/// All figures of a run, and where they were measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    date: String,
    processor: String,
    cores: usize,
    kernel: String,
    rounds: usize,
    rows: Vec<Row>,
    /// Where it is written, if anywhere.
    #[serde(skip)]
    folder: Option<PathBuf>,
}

impl Report {
    pub(crate) fn new(rounds: usize, folder: Option<PathBuf>) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            date: jiff::Zoned::now().date().to_string(),
            processor: processor.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().unwrap().get(),
            kernel: read("/proc/sys/kernel/osrelease").split('-').next().unwrap_or_default().trim().to_owned(),
            rounds,
            rows: Vec::new(),
            folder,
        }
    }

    pub(crate) fn add(&mut self, row: Row) {
        println!("{}", row.line());
        self.rows.push(row);
        // A run that breaks off leaves what it has found.
        if let Some(folder) = &self.folder {
            self.write(folder);
        }
    }

    /// Writes `<date>-<machine>.json` and `.svg`.
    fn write(&self, folder: &Path) {
        let machine = self.processor.to_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        let machine: Vec<_> = machine.split('-').filter(|word| !word.is_empty()).collect();
        let path = folder.join(format!("{}-{}-{}-cores", self.date, machine.join("-"), self.cores));
        fs::create_dir_all(folder).unwrap();
        let mut json = serde_json::to_vec_pretty(self).unwrap();
        json.push(b'\n');
        fs::write(path.with_extension("json"), json).unwrap();
        chart::draw(&path.with_extension("svg"), &self.rows);
    }
}
