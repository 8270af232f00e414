"""What a language model is worth to a speller, by the way in which it is joined, in one table.

Error rates with the intervals of the bootstrap over utterances, on the domain that the speller has
learnt from and on others, with the language model of each: that is, also after the one that a
fusion was trained with has been replaced.

Files: config (a TOML file), trainings (what is lacking is trained), systems (each way with each
language model), measure (what they hear), table, curves (losses of held-out speech over training),
command.
"""
