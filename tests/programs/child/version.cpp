// A library of which there are two builds.

extern "C" int version();
int version() { return MUTIRAO_TEST_VERSION; }
