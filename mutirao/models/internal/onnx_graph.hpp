#pragma once

// A graph of ONNX as it is written: inputs, constants, nodes, outputs, each with a name.
//
// Values go by names; those of inputs and outputs are the user's, all others are made here. Numbers
// of messages, fields and types are those of onnx.proto (IR version 8).

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/models/internal/protobuf_writer.hpp"

namespace mutirao::models::internal {

enum class OnnxType : std::uint8_t {
  kFloat = 1,
  kInt64 = 7,
  kText = 8,
  kBoolean = 9,
  kDouble = 11
};

class OnnxGraph {
 public:
  /// The operators are those of 2022, which every ONNX Runtime since 1.12 knows.
  static constexpr int kOperators = 17;
  static constexpr int kTreeOperators = 3;  // of the domain ai.onnx.ml
  static constexpr std::string_view kTrees = "ai.onnx.ml";
  /// What a protobuf may hold.
  static constexpr std::size_t kMostBytes = 0x7fffffffU;

  OnnxGraph(std::string_view version, std::string_view what);

  /// n_rows x 1. core::InvalidInput when the name is taken.
  std::string input(const std::string& name, OnnxType type, std::string_view doc);
  void output(const std::string& name, OnnxType type);

  /// Tensors of the given dimensions; one dimension without. A span of numbers is a row: 1 x size.
  std::string scalar(double value);
  std::string row(std::span<const double> values);
  std::string row_of_integers(std::size_t count);  ///< 0, 1, ..., count - 1
  std::string list(std::span<const std::int64_t> values);
  std::string list(std::span<const double> values);
  std::string list(std::span<const std::string> values);
  std::string list_of_booleans(std::span<const double> values);
  std::string matrix(std::span<const double> values, std::size_t rows, std::size_t cols);

  /// Attributes of a node, while it is open.
  class Attributes {
   public:
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
    ~Attributes() { out_.end(node_); }

    Attributes& number(std::string_view name, std::int64_t value);
    Attributes& real(std::string_view name, float value);
    Attributes& text(std::string_view name, std::string_view value);
    /// each(put): calls put once with every element.
    template <class Each>
    Attributes& numbers(std::string_view name, Each each);
    template <class Each>
    Attributes& reals(std::string_view name, Each each);
    template <class Each>
    Attributes& texts(std::string_view name, Each each);
    /// float64, one dimension of `count`.
    template <class Each>
    Attributes& tensor(std::string_view name, std::size_t count, Each each);

   private:
    friend class OnnxGraph;
    Attributes(ProtobufWriter& out, std::size_t node) : out_(out), node_(node) {}
    std::size_t begin(std::string_view name, unsigned type);

    ProtobufWriter& out_;
    std::size_t node_;
  };

  using Names = std::initializer_list<std::string_view>;
  /// A node without attributes; gives the name of its output.
  std::string apply(std::string_view op, Names inputs);
  /// A node whose attributes are written next; `output` is set to the name of its output.
  Attributes open(std::string_view op, Names inputs, std::string& output,
                  std::string_view domain = {});
  /// A node whose outputs are the user's.
  Attributes open_named(std::string_view op, Names inputs, std::span<const std::string> outputs);
  std::string concatenate(std::span<const std::string> columns);
  std::string cast(std::string_view value, OnnxType to);

  void metadata(std::string_view key, std::string_view value);
  /// The whole file. core::InvalidInput when it is larger than ONNX files may be.
  std::string finish();

 private:
  std::string make_name();
  void value_info(unsigned field, const std::string& name, OnnxType type, std::string_view doc);
  /// Opens a constant, whose raw bytes come next.
  template <class Put>
  std::string constant(OnnxType type, std::initializer_list<std::size_t> dimensions, Put put);
  Attributes node(std::string_view op, std::span<const std::string_view> inputs,
                  std::span<const std::string> outputs, std::string_view domain);

  ProtobufWriter out_;
  std::size_t graph_ = 0;
  std::vector<std::string> taken_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::size_t made_ = 0;
};

// onnx.proto: AttributeProto {name 1, type 20, f 2, i 3, s 4, t 5, floats 7, ints 8, strings 9},
// TensorProto {dims 1, data_type 2, raw_data 9}.

template <class Each>
OnnxGraph::Attributes& OnnxGraph::Attributes::numbers(std::string_view name, Each each) {
  const std::size_t attribute = begin(name, 7);
  const std::size_t array = out_.begin(8);
  each([this](std::int64_t value) { out_.varint(static_cast<std::uint64_t>(value)); });
  out_.end(array);
  out_.end(attribute);
  return *this;
}

template <class Each>
OnnxGraph::Attributes& OnnxGraph::Attributes::reals(std::string_view name, Each each) {
  const std::size_t attribute = begin(name, 6);
  const std::size_t array = out_.begin(7);
  each([this](float value) { out_.little_endian(value); });
  out_.end(array);
  out_.end(attribute);
  return *this;
}

template <class Each>
OnnxGraph::Attributes& OnnxGraph::Attributes::texts(std::string_view name, Each each) {
  const std::size_t attribute = begin(name, 8);
  each([this](std::string_view value) { out_.text(9, value); });
  out_.end(attribute);
  return *this;
}

template <class Each>
OnnxGraph::Attributes& OnnxGraph::Attributes::tensor(std::string_view name, std::size_t count,
                                                     Each each) {
  const std::size_t attribute = begin(name, 4);
  const std::size_t tensor = out_.begin(5);
  out_.number(1, count);
  out_.number(2, static_cast<std::uint64_t>(OnnxType::kDouble));
  const std::size_t raw = out_.begin(9);
  each([this](double value) { out_.little_endian(value); });
  out_.end(raw);
  out_.end(tensor);
  out_.end(attribute);
  return *this;
}

}  // namespace mutirao::models::internal
