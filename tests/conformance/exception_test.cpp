// Exceptions of the program's own come out of get() as themselves, wherever they were thrown.

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cereal/types/string.hpp>

#include "every_executor.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/error.hpp"
#include "mutirao/exec/registered_exception.hpp"

namespace mutirao::exec {
namespace {

struct NoConvergence : std::runtime_error {
  NoConvergence() : std::runtime_error("no convergence") {}
  explicit NoConvergence(int after) : NoConvergence() { iterations = after; }
  int iterations = 0;
  core::SharedArray<double> residuals;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(iterations, residuals);
  }
};

/// Not registered, though its base is.
struct SlowConvergence : NoConvergence {
  using NoConvergence::NoConvergence;
};

/// No std::exception, and not even polymorphic.
struct Verdict {
  std::string text;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text);
  }
};

struct Unreadable : std::exception {
  bool on_save = false;
  const char* what() const noexcept override { return "odd"; }
  template <class Archive>
  void save(Archive& archive) const {
    if (on_save) throw std::runtime_error("cannot write");
    archive(on_save);
  }
  template <class Archive>
  void load(Archive&) {
    throw std::runtime_error("cannot read");
  }
};

[[maybe_unused]] const bool registered = [] {
  register_exception<NoConvergence>();
  register_exception<Verdict>();
  register_exception<Unreadable>();
  register_exception<Unreadable>();
  return true;
}();

class ExceptionTest : public EveryExecutorTest {};
INSTANTIATE_TEST_SUITE_P(All, ExceptionTest, ::testing::ValuesIn(kKinds), name_of_kind);

TEST_P(ExceptionTest, ARegisteredTypeArrivesAsItself) {
  const auto executor = make();
  Future<void> future = executor->submit(
      [](int after) {
        NoConvergence error(after);
        error.residuals = core::SharedArray<double>::copy_of(std::vector<double>(300'000, 0.5));
        throw error;
      },
      17);
  try {
    future.get();
    FAIL();
  } catch (const NoConvergence& error) {
    EXPECT_EQ(error.iterations, 17);
    EXPECT_EQ(error.residuals.size(), 300'000u);
    EXPECT_EQ(error.residuals[299'999], 0.5);
    EXPECT_STREQ(error.what(), "no convergence");
  }
}

TEST_P(ExceptionTest, ItMayBeAnyType) {
  const auto executor = make();
  try {
    executor->submit([] { throw Verdict{"guilty"}; }).get();
    FAIL();
  } catch (const Verdict& verdict) {
    EXPECT_EQ(verdict.text, "guilty");
  }
}

TEST_P(ExceptionTest, CausesGoAlong) {
  const auto executor = make();
  try {
    executor
        ->submit([] {
          try {
            throw NoConvergence(3);
          } catch (...) {
            std::throw_with_nested(NoConvergence(4));
          }
        })
        .get();
    FAIL();
  } catch (const NoConvergence& outer) {
    EXPECT_EQ(outer.iterations, 4);
    try {
      std::rethrow_if_nested(outer);
      FAIL() << "the cause is lost";
    } catch (const NoConvergence& inner) {
      EXPECT_EQ(inner.iterations, 3);
    }
  }
}

TEST_P(ExceptionTest, AnotherProcessDoesNotSliceADerivedType) {
  if (kind() != "Process") GTEST_SKIP() << "nothing is sent";
  const auto executor = make();
  try {
    executor->submit([] { throw SlowConvergence(5); }).get();
    FAIL();
  } catch (const TaskError& error) {
    EXPECT_NE(error.type().find("SlowConvergence"), std::string::npos);
    EXPECT_STREQ(error.what(), "no convergence");
  }
}

TEST_P(ExceptionTest, OneThatCannotBeEncodedOrDecodedArrivesAsItsNameAndMessage) {
  if (kind() != "Process") GTEST_SKIP() << "nothing is sent";
  const auto executor = make();
  for (const bool on_save : {true, false}) {
    try {
      executor
          ->submit(
              [](bool when) {
                Unreadable error;
                error.on_save = when;
                throw error;
              },
              on_save)
          .get();
      FAIL();
    } catch (const TaskError& error) {
      EXPECT_NE(error.type().find("Unreadable"), std::string::npos);
      EXPECT_STREQ(error.what(), "odd");
    }
  }
  EXPECT_EQ(executor->submit([](int x) { return x; }, 4).get(), 4);
}

TEST_P(ExceptionTest, EachFutureHasAnExceptionOfItsOwn) {
  const auto executor = make();
  std::vector<Future<void>> futures;
  for (int i = 0; i < 20; ++i)
    futures.push_back(executor->submit([](int x) { throw NoConvergence(x); }, i));
  for (int i = 0; i < 20; ++i) {
    try {
      futures[static_cast<std::size_t>(i)].get();
      FAIL();
    } catch (const NoConvergence& error) {
      EXPECT_EQ(error.iterations, i);
    }
  }
}

}  // namespace
}  // namespace mutirao::exec
