// The vector loops of faces.cpp
