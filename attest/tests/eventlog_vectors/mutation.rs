//! The mutations that a vector lists: their operations are applied in order, to one copy.

use data_encoding::HEXLOWER;
use serde_json::Value;

use crate::vector::Vector;

pub(crate) fn mutated(vector: &Vector, mutation: &Value) -> Vector {
    let mut copy = vector.clone();
    for operation in mutation["mutation"].as_array().unwrap() {
        apply(&mut copy, &Operation(operation));
    }
    copy
}

struct Operation<'a>(&'a Value);

impl Operation<'_> {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_else(|| panic!("{} has no text {key}", self.0))
    }

    fn number(&self, key: &str) -> usize {
        usize::try_from(self.0[key].as_u64().unwrap_or_else(|| panic!("{} has no number {key}", self.0))).unwrap()
    }

    fn bytes(&self, key: &str) -> Vec<u8> {
        HEXLOWER.decode(self.text(key).as_bytes()).unwrap()
    }
}

fn apply(vector: &mut Vector, operation: &Operation<'_>) {
    let folder = vector.folder.clone();
    let file = vector.files.get_mut(operation.text("file")).unwrap_or_else(|| panic!("no file for {}", operation.0));
    match operation.text("op") {
        "set_text" => *file = operation.text("text").as_bytes().to_vec(),
        "copy_from" => *file = std::fs::read(folder.join(operation.text("from"))).unwrap(),
        "pcr_xor" | "pcr_remove" => change_pcrs(file, operation),
        _ => change_bytes(file, operation),
    }
}

fn change_bytes(file: &mut Vec<u8>, operation: &Operation<'_>) {
    let (number, bytes) = (|key| operation.number(key), |key| operation.bytes(key));
    match operation.text("op") {
        "xor" => file[number("offset")..].iter_mut().zip(bytes("mask")).for_each(|(byte, mask)| *byte ^= mask),
        "set_bytes" => file[number("offset")..].iter_mut().zip(bytes("hex")).for_each(|(byte, set)| *byte = set),
        "insert_bytes" => _ = file.splice(number("offset")..number("offset"), bytes("hex")),
        "delete_bytes" => _ = file.drain(number("offset")..number("offset") + number("length")),
        "swap_ranges" => file[number("offset_a")..number("offset_b") + number("length_b")].rotate_left(number("length_a")),
        "append" => file.extend(bytes("hex")),
        "truncate" => file.truncate(file.len() - number("bytes")),
        other => panic!("unknown operation {other}"),
    }
}

fn change_pcrs(file: &mut Vec<u8>, operation: &Operation<'_>) {
    let mut json: Value = serde_json::from_slice(file).unwrap();
    let (bank, index) = (operation.text("bank"), operation.text("index"));
    if operation.text("op") == "pcr_remove" {
        json[bank].as_object_mut().unwrap().remove(index).unwrap();
    } else {
        let mut value = HEXLOWER.decode(json[bank][index].as_str().unwrap().as_bytes()).unwrap();
        value[operation.number("byte")] ^= operation.bytes("mask")[0];
        json[bank][index] = HEXLOWER.encode(&value).into();
    }
    *file = serde_json::to_vec(&json).unwrap();
}
