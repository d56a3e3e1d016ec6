#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace mutirao::tests {

/// Compares with the approved copy; MUTIRAO_ACCEPT_GOLDEN=1 makes the text that copy.
inline void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(MUTIRAO_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("MUTIRAO_ACCEPT_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  ASSERT_TRUE(file) << path << " is not there";
  std::ostringstream approved;
  approved << file.rdbuf();
  EXPECT_EQ(text, approved.str());
}

}  // namespace mutirao::tests
