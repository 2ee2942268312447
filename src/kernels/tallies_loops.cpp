// The vector loops of tallies.cpp
