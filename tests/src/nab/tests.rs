//! The scorer reproduces what numenta/NAB publishes, and our own detector keeps what it reached.

use std::path::PathBuf;

use observer::awareness::stream::Stream;

use super::*;

fn corpus() -> Option<PathBuf> {
    let corpus = locate();
    if corpus.is_none() {
        eprintln!(
            "skipped: no benchmark in the corpus (OBSERVER_CORPUS names the folder that `nab` is in)"
        );
    }
    corpus
}

fn ours() -> Detector {
    let mut stream = Stream::new();
    Box::new(move |time, value| stream.push(time, value).score)
}

/// Its published figures are reproduced to the last digit: in raw scores -24.0131054891 and -67.5862728866 of 116
/// windows, and 409 false positives (`results/windowedGaussian`).
#[test]
fn a_windowed_gaussian_scores_what_is_published() {
    let Some(corpus) = corpus() else { return };
    let scores = evaluate(&corpus, &mut baseline::windowed_gaussian).unwrap();
    for (reached, published) in [
        (scores.standard, (116.0 - 24.013_105_489_1) / 2.32),
        (scores.low_fp, (116.0 - 67.586_272_886_6) / 2.32),
        (scores.low_fn, 47.41),
    ] {
        assert!((reached.score - published).abs() < 0.01, "{scores:?}");
        assert_eq!(reached.false_positives, 409);
    }
}

#[test]
fn finding_nothing_scores_nothing_and_chance_little() {
    let Some(corpus) = corpus() else { return };
    let scores = evaluate(&corpus, &mut baseline::null).unwrap();
    assert_eq!(scores.standard.score, 0.0);
    assert_eq!(scores.low_fn.score, 0.0);
    let mut scored = Vec::new();
    for seed in 0..5 {
        scored.push(evaluate(&corpus, &mut || baseline::random(seed)).unwrap());
    }
    // Published for one seed: 11.0, 1.2 and 19.5.
    let mean = scored
        .iter()
        .map(|scores| scores.standard.score)
        .sum::<f64>()
        / 5.0;
    assert!((5.0..18.0).contains(&mean), "{mean}");
}

/// Whoever compares figures of this benchmark should know what they count from.
#[test]
fn alarms_at_regular_intervals_score_more_than_chance() {
    let Some(corpus) = corpus() else { return };
    let scores = evaluate(&corpus, &mut || baseline::metronome(450)).unwrap();
    assert!((15.0..35.0).contains(&scores.standard.score), "{scores:?}");
    assert!(scores.low_fp.score < 5.0, "{scores:?}");
}

#[test]
fn our_stream_scores_above_what_is_published_of_others() {
    let Some(corpus) = corpus() else { return };
    let scores = evaluate(&corpus, &mut ours).unwrap();
    eprintln!("{scores:#?}");
    assert!(scores.standard.score > 70.0);
    assert!(scores.low_fp.score > 63.0);
    assert!(scores.low_fn.score > 74.0);
}
