"""Statistics of passages per gate, corridor and hour: what is counted, how, and how it is told. Gate and centre count alike.

`facts` puts the records of one passage together, in any order and however often they come; `cells` says what a passage adds to which
hour and keeps times as a histogram that merges; `rows` makes of cells what people read.
"""
