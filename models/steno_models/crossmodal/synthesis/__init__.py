"""Speech of many voices for any text, made by eSpeak NG, in which the time of every word is known.

Nothing that learns may look at those times: they are there to score by.

voices.py  who speaks: an accent, a timbre, a pitch and a rate
espeak.py  the library: a text and a voice in, samples and words in time out
shards.py  frames on disk, shard by shard, each whole or not there
"""
