// The vector loops of regions.cpp
