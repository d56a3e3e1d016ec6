#include <gtest/gtest.h>

#include "mutirao/exec/runtime.hpp"

int main(int argc, char** argv) {
  mutirao::exec::Runtime runtime(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
