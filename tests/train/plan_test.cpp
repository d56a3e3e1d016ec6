#include "mutirao/train/internal/plan.hpp"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace mutirao::train::internal {
namespace {

std::vector<Unit> units(std::size_t candidate, std::vector<double> works,
                        std::uint64_t memory_bytes = 0) {
  std::vector<Unit> all;
  for (const double work : works) {
    all.push_back({.candidate = candidate,
                   .fold = static_cast<std::uint32_t>(all.size()),
                   .work = work,
                   .memory_bytes = memory_bytes});
  }
  return all;
}

std::string text(const std::optional<Unit>& unit) {
  return unit ? std::to_string(unit->candidate) + "." + std::to_string(unit->fold) : "-";
}

/// What begins, when each ends before the next begins.
std::string order_of(Plan& plan) {
  std::string order;
  while (const std::optional<Unit> unit = plan.begin_next()) {
    order += text(unit) + " ";
    plan.end(*unit);
  }
  EXPECT_TRUE(plan.empty());
  return order;
}

TEST(Plan, TheLongestCandidateComesFirstAndItsUnitsInTheirOrder) {
  Plan plan({.cores = 2});
  plan.add(units(0, {1.0, 2.0}));
  plan.add(units(1, {4.0, 4.0}));
  plan.add(units(2, {0.5}));
  plan.add(units(3, {1.5, 1.5}));
  EXPECT_EQ(plan.work_left(), 14.5);
  EXPECT_EQ(order_of(plan), "1.0 1.1 0.0 0.1 3.0 3.1 2.0 ") << "equals stay as they were added";
}

TEST(Plan, TheShortestCandidateComesFirstWhereThatIsWanted) {
  Plan plan({.cores = 2, .shortest_first = true});
  plan.add(units(0, {1.0, 2.0}));
  plan.add(units(1, {4.0}));
  plan.add(units(2, {0.5}));
  EXPECT_EQ(order_of(plan), "2.0 0.0 0.1 1.0 ");
}

TEST(Plan, AFitBeginsWhenTheDrawsThatItChoosesFromHaveEnded) {
  Plan plan({.cores = 2});
  const Unit first{.fold = 0, .draw = 0}, second{.fold = 0, .draw = 1}, fit{.fold = 0},
      other{.fold = 1, .draw = 0};
  plan.add({first, second, fit, other, {.fold = 1}});
  EXPECT_EQ(plan.begin_next(), first);
  EXPECT_EQ(plan.begin_next(), second);
  plan.end(first);
  EXPECT_EQ(plan.begin_next(), other) << "the second draw runs";
  plan.end(second);
  EXPECT_EQ(plan.begin_next(), fit);
  plan.end(fit);
  EXPECT_EQ(plan.begin_next(), std::nullopt);
  plan.end(other);
  EXPECT_EQ(plan.begin_next(), (Unit{.fold = 1}));
}

TEST(Plan, AsManyUnitsRunAsThereAreCoresAlsoOfOneCandidate) {
  Plan plan({.cores = 2});
  plan.add(units(0, {1.0, 1.0, 1.0}));
  const std::optional<Unit> first = plan.begin_next();
  EXPECT_EQ(text(first), "0.0");
  EXPECT_EQ(text(plan.begin_next()), "0.1");
  EXPECT_EQ(text(plan.begin_next()), "-");
  plan.end(*first);
  EXPECT_EQ(plan.work_left(), 2.0);
  EXPECT_EQ(text(plan.begin_next()), "0.2");
}

TEST(Plan, UnitsOfOneCandidateRunOneAfterTheOtherWhereThatIsWanted) {
  Plan plan({.cores = 3, .one_unit_per_candidate = true});
  plan.add(units(0, {5.0, 5.0}));
  plan.add(units(1, {1.0, 1.0}));
  const std::optional<Unit> first = plan.begin_next();
  EXPECT_EQ(text(plan.begin_next()), "1.0");
  EXPECT_EQ(text(plan.begin_next()), "-");
  plan.end(*first);
  EXPECT_EQ(text(plan.begin_next()), "0.1");
}

TEST(Plan, WhatDoesNotFitIntoMemoryLetsSmallerUnitsPassAndRunsAlone) {
  Plan plan({.cores = 3, .memory_bytes = 100});
  plan.add(units(0, {9.0}, 80));
  plan.add(units(1, {8.0}, 500));
  plan.add(units(2, {1.0}, 20));
  const std::optional<Unit> large = plan.begin_next();
  EXPECT_EQ(text(large), "0.0");
  const std::optional<Unit> small = plan.begin_next();
  EXPECT_EQ(text(small), "2.0");
  plan.end(*large);
  EXPECT_EQ(text(plan.begin_next()), "-");
  plan.end(*small);
  EXPECT_EQ(text(plan.begin_next()), "1.0");
}

TEST(Plan, UnitsRunSideBySideAsFarAsCoresMemoryAndTheirCandidatesLetThem) {
  const Unit unit{.candidate = 0, .work = 1.0, .memory_bytes = 40};
  EXPECT_EQ(Plan({.cores = 4}).side_by_side(unit), 4u);
  EXPECT_EQ(Plan({.cores = 4, .memory_bytes = 100}).side_by_side(unit), 2u);
  EXPECT_EQ(Plan({.cores = 4, .memory_bytes = 10}).side_by_side(unit), 1u) << "it runs alone";
  Plan plan({.cores = 4, .one_unit_per_candidate = true});
  plan.add({unit, unit});
  EXPECT_EQ(plan.side_by_side(unit), 1u);
  plan.add({{.candidate = 1, .work = 1.0}});
  EXPECT_EQ(plan.side_by_side(unit), 2u);
}

TEST(Plan, WhatIsDroppedNeverBegins) {
  Plan plan({.cores = 2});
  plan.add(units(0, {5.0, 5.0}));
  plan.add(units(1, {1.0}));
  const std::optional<Unit> first = plan.begin_next();
  plan.drop(0);
  EXPECT_TRUE(plan.has(0)) << "one of them runs";
  EXPECT_TRUE(plan.has(1));
  plan.end(*first);
  EXPECT_FALSE(plan.has(0));
  plan.drop_all();
  EXPECT_TRUE(plan.empty());
}

}  // namespace
}  // namespace mutirao::train::internal
