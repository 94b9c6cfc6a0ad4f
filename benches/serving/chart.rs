//! How much comes in a second, as bars: each server against `vllm serve` with the better of its settings.

use std::path::Path;

use plotters::prelude::*;

use crate::{
    cases::Better,
    server::Kind,
    table::{Column, Row},
};

const WIDTH: u32 = 960;
const ROW: u32 = 70;
const COLOURS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(230, 159, 0), RGBColor(153, 153, 153)];

/// Draws the rows that are counts per second.
pub(crate) fn draw(path: &Path, rows: &[Row]) {
    let rows: Vec<_> = rows.iter().filter(|row| row.what.ends_with("/s")).filter_map(Bars::of).collect();
    if rows.is_empty() {
        return;
    }
    let height = ROW * u32::try_from(rows.len()).unwrap() + 110;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let longest = rows.iter().flat_map(|row| row.ratios).fold(1.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(&area)
        .caption("Output per second, vllm serve = 1", ("sans-serif", 20))
        .margin(15)
        .x_label_area_size(30)
        .y_label_area_size(190)
        .build_cartesian_2d(0.0..longest, 0.0..rows.len() as f64)
        .unwrap();
    let label = |y: &f64| {
        let row = rows.len().checked_sub(1 + y.floor() as usize).and_then(|index| rows.get(index));
        row.filter(|_| (y.fract() - 0.5).abs() < 0.01).map(|row| row.name.clone()).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(rows.len() * 2 + 1)
        .y_label_formatter(&label)
        .label_style(("sans-serif", 14))
        .draw()
        .unwrap();
    for (server, (name, colour)) in ["BlindLlama", "vllm-rs", "vllm serve"].into_iter().zip(COLOURS).enumerate() {
        let bars = rows.iter().rev().enumerate().map(|(index, row)| {
            let top = index as f64 + 0.85 - 0.25 * server as f64;
            Rectangle::new([(0.0, top), (row.ratios[server], top - 0.22)], colour.filled())
        });
        chart
            .draw_series(bars)
            .unwrap()
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 15, y + 5)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .label_font(("sans-serif", 14))
        .draw()
        .unwrap();
    area.present().unwrap();
}

struct Bars {
    name: String,
    /// The gateway, `vllm-rs` and `vllm serve`.
    ratios: [f64; 3],
}

impl Bars {
    /// `None` where a server was not measured.
    fn of(row: &Row) -> Option<Self> {
        let best = |wanted: fn(Kind) -> bool| {
            let medians = row.servers.iter().filter(|Column { kind, .. }| wanted(*kind)).map(|column| column.median);
            medians.reduce(|left, right| Better::Higher.of(left, right))
        };
        let serve = best(|kind| matches!(kind, Kind::Serve(_)))?;
        let rust_front_end = best(|kind| matches!(kind, Kind::RustFrontEnd(_)))?;
        let gateway = best(|kind| kind == Kind::Gateway)?;
        let ratios = [gateway / serve, rust_front_end / serve, 1.0];
        Some(Self { name: format!("{} {}", row.dtype, row.case), ratios })
    }
}
