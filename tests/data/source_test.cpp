#include "mutirao/data/source.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "temporary_folder.hpp"

namespace mutirao::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// What read_table says about bad input: message and hint; the wrong kind of error, or none, fails
/// the test.
std::string complaint_about(const std::string& source) {
  try {
    read_table(source);
  } catch (const core::InvalidInput& error) {
    return core::describe(error);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not an InvalidInput: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing was wrong with " << source;
  return {};
}

std::vector<double> numbers_of(const Table& table, const std::string& name) {
  const auto span = table.at(name).numbers.span();
  return {span.begin(), span.end()};
}

class Source : public testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(Source, ReadsNumbersTextBooleansAndDates) {
  const Table table = read_table(folder_.write("t.csv",
                                               "n,i,t,b,d\n"
                                               "1.5,1,x,true,2024-03-01\n"
                                               "-2e3,2,y,FALSE,2024-03-01 12:00:00\n"));
  ASSERT_EQ(table.rows(), 2u);
  EXPECT_THAT(numbers_of(table, "n"), ElementsAre(1.5, -2000.0));
  EXPECT_FALSE(table.at("n").integral);
  EXPECT_TRUE(table.at("i").integral);
  EXPECT_EQ(table.at("t").type, ColumnType::kText);
  EXPECT_THAT(table.at("t").levels, ElementsAre("x", "y"));
  EXPECT_EQ(table.at("b").type, ColumnType::kBoolean);
  EXPECT_THAT(numbers_of(table, "b"), ElementsAre(1.0, 0.0));
  EXPECT_EQ(table.at("d").type, ColumnType::kTimestamp);
  EXPECT_THAT(numbers_of(table, "d"), ElementsAre(1709251200.0, 1709294400.0));
}

TEST_F(Source, ReadsTheShippedTableWhole) {
  const Table table = read_table(MUTIRAO_SOURCE_DIR "/examples/data/diamonds.csv.gz");
  EXPECT_EQ(table.rows(), 53940u);
  EXPECT_EQ(table.columns().size(), 10u);
  EXPECT_THAT(table.at("cut").levels, ElementsAre("Fair", "Good", "Ideal", "Premium", "Very Good"));
  EXPECT_EQ(table.at("price").numbers[0], 326.0);
  EXPECT_EQ(table.at("price").numbers[53939], 2757.0);
}

TEST_F(Source, EveryUnquotedWordForMissingIsMissing) {
  const Table table = read_table(
      folder_.write("t.csv", "a,b\n1,x\n,\nNA,NA\nN/A,N/A\nNaN,NaN\nnull,null\nNone,None\n?,?\n"));
  EXPECT_EQ(table.at("a").type, ColumnType::kNumber);
  EXPECT_EQ(table.at("a").count_missing(), 7u);
  EXPECT_EQ(table.at("b").count_missing(), 7u);
  EXPECT_THAT(table.at("b").levels, ElementsAre("x"));
}

TEST_F(Source, AQuotedWordForMissingIsText) {
  const Table table = read_table(folder_.write("t.csv", "a,b\n1,\"NA\"\n2,x\n"));
  EXPECT_THAT(table.at("b").levels, ElementsAre("NA", "x"));
}

TEST_F(Source, QuotedNumbersAreNumbers) {
  const Table table =
      read_table(folder_.write("t.csv", "\"a\",\"b\"\n\"1\",\"2.5\"\n\"3\",\"\"\n"));
  EXPECT_TRUE(table.at("a").integral);
  EXPECT_EQ(table.at("b").numbers[0], 2.5);
  EXPECT_TRUE(table.at("b").is_missing(1));
}

TEST_F(Source, OneWordInTheLastRowMakesAColumnText) {
  std::string text = "a,b\n";
  for (int i = 0; i < 30000; ++i) text += "1,2\n";
  text += "1,oops\n";
  const Table table = read_table(folder_.write("t.csv", text));
  EXPECT_EQ(table.at("a").type, ColumnType::kNumber);
  EXPECT_EQ(table.at("b").type, ColumnType::kText);
  EXPECT_THAT(table.at("b").levels, ElementsAre("2", "oops"));
}

TEST_F(Source, NamesThatDifferOnlyInCaseAreDifferentColumns) {
  const Table table = read_table(folder_.write("t.csv", "a,A\n1,2\n3,4\n"));
  EXPECT_THAT(table.names(), ElementsAre("a", "A"));
  EXPECT_THAT(numbers_of(table, "A"), ElementsAre(2.0, 4.0));
  read_table("SELECT 1 AS a, 2 AS A");
}

TEST_F(Source, FindsTheDelimiterInTheHeader) {
  for (const std::string delimiter : {",", ";", "\t", "|"}) {
    const Table table =
        read_table(folder_.write("t.csv", "a" + delimiter + "b\n1" + delimiter + "2\n"));
    EXPECT_THAT(table.names(), ElementsAre("a", "b")) << delimiter;
  }
}

TEST_F(Source, ReadsWindowsLinesAndAByteOrderMark) {
  const Table table = read_table(folder_.write("t.csv",
                                               "\xef\xbb\xbf"
                                               "a,b\r\n1,2\r\n3,4\r\n"));
  EXPECT_THAT(table.names(), ElementsAre("a", "b"));
  EXPECT_THAT(numbers_of(table, "b"), ElementsAre(2.0, 4.0));
}

TEST_F(Source, ALineBreakInsideQuotesIsText) {
  const Table table = read_table(folder_.write("t.csv", "a,b\n\"x\ny\",1\nz,2\n"));
  EXPECT_THAT(table.at("a").levels, ElementsAre("x\ny", "z"));
  EXPECT_EQ(position_of_row(folder_.file("t.csv"), table, 1), "line 4");
}

TEST_F(Source, ALineBreakOfAnotherKindInsideQuotesIsText) {
  const Table windows = read_table(folder_.write("t.csv", "a,b\n\"x\r\ny\",1\n\"x\ry\",2\n"));
  EXPECT_THAT(windows.at("a").levels, ElementsAre("x\r\ny", "x\ry"));
  const Table others = read_table(folder_.write("t.csv", "a,b\r\n\"x\ny\",1\r\nz,2\r\n"));
  EXPECT_THAT(others.at("a").levels, ElementsAre("x\ny", "z"));
  EXPECT_THAT(numbers_of(others, "b"), ElementsAre(1.0, 2.0));
}

TEST_F(Source, IntegersBeyondTwoToThe53AreNumbersButNotIntegral) {
  const Table table =
      read_table(folder_.write("t.csv", "a,b\n9007199254740993,9007199254740992\n1,2\n"));
  EXPECT_EQ(table.at("a").type, ColumnType::kNumber);
  EXPECT_TRUE(table.at("b").integral);
}

TEST_F(Source, ReadsParquetAndKeepsNamesAndNulls) {
  Table written;
  written.add(number_column("x", std::vector<double>{1.0, std::nan(""), 3.0}));
  written.add(text_column("T", std::vector<std::optional<std::string>>{
                                   "a", std::nullopt, "a longer text than twelve"}));
  write_parquet(folder_.file("t.parquet"), written);
  const Table table = read_table(folder_.file("t.parquet"));
  EXPECT_THAT(table.names(), ElementsAre("x", "T"));
  EXPECT_EQ(table.at("x").numbers[2], 3.0);
  EXPECT_TRUE(table.at("x").is_missing(1));
  EXPECT_TRUE(table.at("T").is_missing(1));
  EXPECT_EQ(table.at("T").levels[table.at("T").codes[2]], "a longer text than twelve");
}

TEST_F(Source, WritesIntegersAsIntegers) {
  Table written;
  written.add(number_column("i", std::vector<double>{1.0, std::nan(""), -9007199254740992.0}));
  written.add(number_column("f", std::vector<double>{1.0, 2.0, 2.5}));
  write_parquet(folder_.file("t.parquet"), written);
  const Table table = read_table(folder_.file("t.parquet"));
  EXPECT_TRUE(table.at("i").integral);
  EXPECT_FALSE(table.at("f").integral);
  EXPECT_EQ(table.at("i").numbers[2], -9007199254740992.0);
  EXPECT_TRUE(table.at("i").is_missing(1));
  const Table types = read_table("SELECT typeof(i) AS i, typeof(f) AS f FROM '" +
                                 folder_.file("t.parquet") + "' LIMIT 1");
  EXPECT_THAT(types.at("i").levels, ElementsAre("BIGINT"));
  EXPECT_THAT(types.at("f").levels, ElementsAre("DOUBLE"));
}

TEST_F(Source, WritesMoreRowsThanOneVectorHolds) {
  std::vector<double> numbers;
  std::vector<std::optional<std::string>> texts;
  for (int i = 0; i < 10001; ++i) {
    numbers.push_back(i % 7 == 0 ? std::nan("") : i + 0.5);
    texts.push_back(i % 5 == 0 ? std::nullopt : std::optional(std::to_string(i % 100)));
  }
  Table written;
  written.add(number_column("x", numbers));
  written.add(text_column("t", texts));
  write_parquet(folder_.file("t.parquet"), written);
  const Table table = read_table(folder_.file("t.parquet"));
  ASSERT_EQ(table.rows(), 10001u);
  for (std::size_t row = 0; row < table.rows(); ++row) {
    ASSERT_EQ(table.at("x").is_missing(row), row % 7 == 0);
    if (row % 7 != 0) {
      ASSERT_EQ(table.at("x").numbers[row], numbers[row]);
    }
    ASSERT_EQ(table.at("t").is_missing(row), row % 5 == 0);
    if (row % 5 != 0) {
      ASSERT_EQ(table.at("t").levels[table.at("t").codes[row]], texts[row]);
    }
  }
}

TEST_F(Source, SeveralThreadsWriteTheRowsInTheirOrder) {
  std::vector<double> numbers(30'000);
  std::iota(numbers.begin(), numbers.end(), 0.0);
  Table written;
  written.add(number_column("x", numbers));
  for (const std::size_t threads : {0u, 3u}) {
    write_parquet(folder_.file("t.parquet"), written, threads);
    const Table table = read_table(folder_.file("t.parquet"));
    EXPECT_TRUE(std::ranges::equal(table.at("x").numbers.span(), numbers)) << threads;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
}

TEST_F(Source, WritesOddNamesAndATableOfNoRows) {
  Table written;
  for (const char* name : {"a b", "say \"this\"", "select", "x'y", "caf\xc3\xa9"})
    written.add(number_column(name, {}));
  write_parquet(folder_.file("t.parquet"), written);
  const Table table = read_table(folder_.file("t.parquet"), {.allow_no_rows = true});
  EXPECT_EQ(table.names(), written.names());
  EXPECT_EQ(table.rows(), 0u);
}

TEST_F(Source, AFileThatCannotBeWrittenIsNamedAndNotLeftHalf) {
  Table written;
  written.add(number_column("x", std::vector<double>{1.0}));
  try {
    write_parquet(folder_.file("no/t.parquet"), written);
    FAIL();
  } catch (const core::IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot write " + folder_.file("no/t.parquet")));
  }
  std::filesystem::create_directory(folder_.file("t.parquet"));
  EXPECT_THROW(write_parquet(folder_.file("t.parquet"), written), core::IoError);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
}

TEST_F(Source, ReadsJsonLines) {
  const Table table =
      read_table(folder_.write("t.jsonl", "{\"a\": 1, \"b\": \"x\"}\n{\"a\": 2.5, \"b\": null}\n"));
  EXPECT_THAT(numbers_of(table, "a"), ElementsAre(1.0, 2.5));
  EXPECT_TRUE(table.at("b").is_missing(1));
}

TEST_F(Source, ReadsAGlobInTheOrderOfTheNames) {
  folder_.write("2.csv", "a\n3\n");
  folder_.write("1.csv", "a\n1\n2\n");
  EXPECT_THAT(numbers_of(read_table(folder_.file("*.csv")), "a"), ElementsAre(1.0, 2.0, 3.0));
}

TEST_F(Source, RunsAQueryOverAFile) {
  const std::string file = folder_.write("t.csv", "a,b\n1,2\n3,4\n5,6\n");
  const Table table = read_table("SELECT a + b AS total, a > 2 AS large FROM '" + file +
                                 "' WHERE a < 5 ORDER BY a DESC;");
  EXPECT_THAT(numbers_of(table, "total"), ElementsAre(7.0, 3.0));
  EXPECT_EQ(table.at("large").type, ColumnType::kBoolean);
}

TEST_F(Source, AFileNamedLikeAQueryIsAQueryOnlyWithAWordBehindIt) {
  EXPECT_TRUE(is_query("select * from t"));
  EXPECT_TRUE(is_query("  WITH x AS (SELECT 1) FROM x"));
  EXPECT_FALSE(is_query("selected.csv"));
  EXPECT_FALSE(is_query("from.csv"));
}

TEST_F(Source, NoSuchFileIsNamed) {
  EXPECT_THAT(complaint_about(folder_.file("none.csv")),
              HasSubstr("there is no file " + folder_.file("none.csv")));
}

TEST_F(Source, AFolderIsNotAFile) {
  EXPECT_THAT(complaint_about(folder_.path()), HasSubstr("is a folder\nhint: name the files"));
}

TEST_F(Source, AnEmptyFileSaysSo) {
  EXPECT_THAT(complaint_about(folder_.write("e.csv", "")), HasSubstr("e.csv is empty"));
}

TEST_F(Source, AHeaderWithoutRowsSaysSo) {
  EXPECT_THAT(complaint_about(folder_.write("h.csv", "a,b\n")),
              HasSubstr("h.csv has a header and no rows"));
}

TEST_F(Source, ASourceWithoutRowsIsATableOfNoRowsWhereThatIsAllowed) {
  for (const std::string& source :
       {folder_.write("h.csv", "a,\"b\"\n"), folder_.write("end.csv", "a,b"),
        std::string("SELECT 1 AS a, 'x' AS b WHERE false")}) {
    const Table table = read_table(source, {.allow_no_rows = true});
    EXPECT_EQ(table.rows(), 0u) << source;
    EXPECT_THAT(table.names(), ElementsAre("a", "b")) << source;
    EXPECT_THROW(read_table(source), core::InvalidInput) << source;
  }
  EXPECT_THROW(read_table(folder_.write("e.csv", ""), {.allow_no_rows = true}), core::InvalidInput);
}

TEST_F(Source, ADelimiterInAQuotedNameIsNoDelimiter) {
  const Table table = read_table(folder_.write("q.csv", "a,\"b;c;d\"\n1,2\n"));
  EXPECT_THAT(table.names(), ElementsAre("a", "b;c;d"));
  const Table doubled = read_table(folder_.write("q.csv", "\"say \"\"b;c;d\"\"\",x\n1,2\n"));
  EXPECT_THAT(doubled.names(), ElementsAre("say \"b;c;d\"", "x"));
}

TEST_F(Source, DuplicateColumnNamesAreFoundInTheHeader) {
  EXPECT_THAT(complaint_about(folder_.write("d.csv", "a,b,a\n1,2,3\n")),
              HasSubstr("columns 1 and 3 are both named 'a'"));
  EXPECT_THAT(complaint_about("SELECT 1 AS a, 2 AS a"),
              HasSubstr("columns 1 and 2 are both named 'a'"));
}

TEST_F(Source, ARowWithTooFewOrTooManyCellsIsNamedByLine) {
  EXPECT_THAT(complaint_about(folder_.write("r.csv", "a,b\n1,2\n3\n4,5\n")),
              HasSubstr("r.csv, line 3: 1 cells where the header has 2"));
  EXPECT_THAT(complaint_about(folder_.write("r.csv", "a,b\n1,2\n3,4,5\n")),
              HasSubstr("r.csv, line 3: 3 cells where the header has 2"));
}

TEST_F(Source, AnInfinityIsNamedByColumnAndLine) {
  EXPECT_THAT(complaint_about(folder_.write("i.csv", "a,b\n1,2\n3,-inf\n")),
              HasSubstr("i.csv, line 3: column 'b' holds an infinity"));
  EXPECT_THAT(complaint_about(folder_.write("i.csv", "a,b\n1,1e999\n")),
              HasSubstr("line 2: column 'b' holds an infinity"));
  EXPECT_THAT(complaint_about("SELECT 1.0 AS a, 'inf'::DOUBLE AS b"),
              HasSubstr("column 'b' holds an infinity in row 1"));
}

TEST_F(Source, ABinaryFileIsNotText) {
  EXPECT_THAT(complaint_about(folder_.write("b.csv", std::string_view("\x7f"
                                                                      "ELF\0\0\0\1",
                                                                      8))),
              HasSubstr("is a binary file"));
}

TEST_F(Source, AnUnclosedQuoteIsNamedByLine) {
  EXPECT_THAT(complaint_about(folder_.write("q.csv", "a,b\n1,2\n1,\"x\n")),
              HasSubstr("line 3: a quote is not closed"));
}

TEST_F(Source, ACharacterThatIsNotUtf8IsNamedByLine) {
  EXPECT_THAT(complaint_about(folder_.write("u.csv", "a,b\n1,\xff\n")),
              HasSubstr("line 2: a character is not UTF-8"));
}

TEST_F(Source, ABadQueryGivesDuckDbsReason) {
  EXPECT_THAT(complaint_about("SELECT nonsense FROM nowhere"),
              HasSubstr("the query cannot be run: "));
  EXPECT_THAT(complaint_about("SELECT (1 FROM"), HasSubstr("the query cannot be run: "));
}

TEST_F(Source, ListsAndStructsNameTheirColumn) {
  EXPECT_THAT(complaint_about("SELECT 1 AS a, [1, 2] AS tags"),
              HasSubstr("column 'tags' holds lists"));
  EXPECT_THAT(complaint_about("SELECT {'x': 1} AS point"),
              HasSubstr("column 'point' holds structs"));
}

TEST_F(Source, AGlobThatMatchesNothingSaysSo) {
  EXPECT_THAT(complaint_about(folder_.file("*.csv")), HasSubstr("no file matches"));
}

TEST_F(Source, FilesOfAGlobNeedTheSameHeader) {
  folder_.write("1.csv", "a,b\n1,2\n");
  folder_.write("2.csv", "b,a\n1,2\n");
  EXPECT_THAT(complaint_about(folder_.file("*.csv")), HasSubstr("have different header lines"));
}

TEST_F(Source, ADamagedArchiveIsAnInputError) {
  complaint_about(folder_.write("t.csv.gz", "this is not gzip"));
  complaint_about(folder_.write("t.parquet", "this is not parquet"));
}

TEST_F(Source, NamesARunAfterItsData) {
  EXPECT_EQ(short_name("x/diamonds.csv.gz"), "diamonds");
  EXPECT_EQ(short_name("SELECT 1"), "query");
  EXPECT_EQ(short_name("a/*.parquet"), "_");
}

}  // namespace
}  // namespace mutirao::data
