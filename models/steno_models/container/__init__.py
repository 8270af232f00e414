"""Files of Opus as browsers and phones send them, decoded while they arrive.

Idea: WebM (Matroska, RFC 9559, in EBML, RFC 8794) and Ogg (RFC 3533, Opus in it RFC 7845) are read
by small parsers that take bytes cut anywhere, know no end and never seek; each Opus packet (RFC
6716) goes to libopus, through `av`, as soon as its last byte is there. No threads, no waiting, and
never more in memory than one element or page.

Files: decoder (bytes in, samples out), webm and ogg (bytes in, packets out), ebml and lacing (what
WebM is made of), opus (a packet).
"""
