"""Readers of speech corpora as they lie on users' disks; each gives `Utterance`s.

`librispeech` reads SPEAKER/CHAPTER/*.flac with *.trans.txt, `ljspeech` metadata.csv with wavs/,
`common_voice` its TSV lists with clips/*.mp3, `tedlium` stm/ with sph/. All have one function,
`read(folder, …) -> Iterator[Utterance]`, that looks at the recordings' headers for durations and
leaves transcripts as the corpus spells them.
"""
