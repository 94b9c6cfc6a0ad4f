//! The mutations that a vector's `vector.json` lists, as its operations define them.

use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::Value;

use crate::vector::{QUOTE_FILES, Vector, read};

/// One change of a vector, and what it has to lead to.
#[derive(Debug, Deserialize)]
pub(crate) struct Mutation {
    pub(crate) id: String,
    #[serde(rename = "mutation")]
    operations: Vec<Operation>,
    #[serde(default)]
    pub(crate) must_fail: Vec<String>,
}

/// One step; `file` is changed in place.
#[derive(Debug, Deserialize)]
struct Operation {
    file: String,
    #[serde(flatten)]
    change: Change,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Change {
    Xor { offset: usize, mask: String },
    SetBytes { offset: usize, hex: String },
    InsertBytes,
    DeleteBytes,
    SwapRanges,
    Append { hex: String },
    Truncate { bytes: usize },
    SetText { text: String },
    CopyFrom { from: String },
    PcrXor { bank: String, index: String, byte: usize, mask: String },
    PcrRemove { bank: String, index: String },
}

/// The mutations of one list, `negative` or `neutral`, that touch nothing but files of the quote, and how many others
/// there are.
pub(crate) fn of_quote(description: &Value, list: &str) -> (Vec<Mutation>, usize) {
    let all: Vec<Mutation> = match &description[list] {
        Value::Null => Vec::new(),
        listed => serde_json::from_value(listed.clone()).unwrap(),
    };
    let (quote, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|mutation| {
        assert!(!mutation.operations.is_empty(), "{}", mutation.id);
        mutation.operations.iter().all(|operation| QUOTE_FILES.contains(&operation.file.as_str()))
    });
    (quote, others.len())
}

impl Mutation {
    pub(crate) fn apply(&self, vector: &Vector) -> Vector {
        let mut mutant = vector.clone();
        for Operation { file, change } in &self.operations {
            change.apply(vector.id, mutant.files.get_mut(file).unwrap());
        }
        assert_ne!(mutant.files, vector.files, "{} {} changes something", vector.id, self.id);
        mutant
    }
}

impl Change {
    fn apply(&self, id: &str, file: &mut Vec<u8>) {
        match self {
            Self::Xor { offset, mask } => {
                for (to, mask) in file[*offset..].iter_mut().zip(hex(mask)) {
                    *to ^= mask;
                }
            }
            Self::SetBytes { offset, hex: bytes } => {
                let bytes = hex(bytes);
                file[*offset..offset + bytes.len()].copy_from_slice(&bytes);
            }
            Self::Append { hex: bytes } => file.extend(hex(bytes)),
            Self::Truncate { bytes } => file.truncate(file.len() - bytes),
            Self::SetText { text } => *file = text.clone().into_bytes(),
            Self::CopyFrom { from } => *file = read(id, from),
            Self::PcrXor { bank, index, byte, mask } => edit_pcrs(file, |pcrs| {
                let mut value = hex(pcrs[bank][index].as_str().unwrap());
                value[*byte] ^= hex(mask)[0];
                pcrs[bank][index] = HEXLOWER.encode(&value).into();
            }),
            Self::PcrRemove { bank, index } => edit_pcrs(file, |pcrs| {
                pcrs[bank].as_object_mut().unwrap().remove(index).unwrap();
            }),
            Self::InsertBytes | Self::DeleteBytes | Self::SwapRanges => panic!("{self:?} is for event logs"),
        }
    }
}

fn edit_pcrs(file: &mut Vec<u8>, edit: impl FnOnce(&mut Value)) {
    let mut pcrs = serde_json::from_slice(file).unwrap();
    edit(&mut pcrs);
    *file = serde_json::to_vec(&pcrs).unwrap();
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}
