#include "mutirao/models/internal/onnx_graph.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::models::internal {

// onnx.proto: ModelProto {ir_version 1, producer_name 2, producer_version 3, graph 7, opset_import
// 8, metadata_props 14}, GraphProto {node 1, name 2, initializer 5, input 11, output 12}, NodeProto
// {input 1, output 2, op_type 4, attribute 5, domain 7}.

OnnxGraph::OnnxGraph(std::string_view version, std::string_view what) {
  out_.number(1, 8);
  out_.text(2, "mutirao");
  out_.text(3, version);
  for (const auto& [domain, number] :
       {std::pair<std::string_view, int>("", kOperators), {kTrees, kTreeOperators}}) {
    const std::size_t operators = out_.begin(8);
    out_.text(1, domain);
    out_.number(2, static_cast<std::uint64_t>(number));
    out_.end(operators);
  }
  graph_ = out_.begin(7);
  out_.text(2, what);
}

std::string OnnxGraph::make_name() {
  std::string name;
  do {
    name = fmt::format("value_{}", made_++);
  } while (std::find(taken_.begin(), taken_.end(), name) != taken_.end());
  return name;
}

void OnnxGraph::value_info(unsigned field, const std::string& name, OnnxType type,
                           std::string_view doc) {
  if (std::find(taken_.begin(), taken_.end(), name) != taken_.end()) {
    throw core::InvalidInput(
        fmt::format("the model has a column called '{}', and so is one of its predictions", name),
        "name the column otherwise and train again: in ONNX each name stands for one thing");
  }
  taken_.push_back(name);
  // ValueInfoProto {name 1, type 2 {tensor_type 1 {elem_type 1, shape 2 {dim 1 {dim_value 1,
  // dim_param 2}}}}, doc_string 3}
  const std::size_t info = out_.begin(field);
  out_.text(1, name);
  const std::size_t kind = out_.begin(2);
  const std::size_t tensor = out_.begin(1);
  out_.number(1, static_cast<std::uint64_t>(type));
  const std::size_t shape = out_.begin(2);
  const std::size_t rows = out_.begin(1);
  out_.text(2, "rows");
  out_.end(rows);
  const std::size_t one = out_.begin(1);
  out_.number(1, 1);
  out_.end(one);
  out_.end(shape);
  out_.end(tensor);
  out_.end(kind);
  if (!doc.empty()) out_.text(3, doc);
  out_.end(info);
}

std::string OnnxGraph::input(const std::string& name, OnnxType type, std::string_view doc) {
  value_info(11, name, type, doc);
  return name;
}

void OnnxGraph::output(const std::string& name, OnnxType type) { value_info(12, name, type, {}); }

// TensorProto {dims 1, data_type 2, string_data 6, name 8, raw_data 9}
template <class Put>
std::string OnnxGraph::constant(OnnxType type, std::initializer_list<std::size_t> dimensions,
                                Put put) {
  std::string name = make_name();
  const std::size_t tensor = out_.begin(5);
  for (const std::size_t dimension : dimensions) out_.number(1, dimension);
  out_.number(2, static_cast<std::uint64_t>(type));
  out_.text(8, name);
  if (type == OnnxType::kText) {
    put();
  } else {
    const std::size_t raw = out_.begin(9);
    put();
    out_.end(raw);
  }
  out_.end(tensor);
  return name;
}

std::string OnnxGraph::matrix(std::span<const double> values, std::size_t rows, std::size_t cols) {
  return constant(OnnxType::kDouble, {rows, cols}, [&] {
    for (const double value : values) out_.little_endian(value);
  });
}

std::string OnnxGraph::scalar(double value) { return matrix(std::span(&value, 1), 1, 1); }

std::string OnnxGraph::row(std::span<const double> values) {
  return matrix(values, 1, values.size());
}

std::string OnnxGraph::row_of_integers(std::size_t count) {
  return constant(OnnxType::kInt64, {1, count}, [&] {
    for (std::size_t i = 0; i < count; ++i) out_.little_endian(static_cast<std::int64_t>(i));
  });
}

std::string OnnxGraph::list(std::span<const std::int64_t> values) {
  return constant(OnnxType::kInt64, {values.size()}, [&] {
    for (const std::int64_t value : values) out_.little_endian(value);
  });
}

std::string OnnxGraph::list(std::span<const double> values) {
  return constant(OnnxType::kDouble, {values.size()}, [&] {
    for (const double value : values) out_.little_endian(value);
  });
}

std::string OnnxGraph::list(std::span<const std::string> values) {
  return constant(OnnxType::kText, {values.size()}, [&] {
    for (const std::string& value : values) out_.text(6, value);
  });
}

std::string OnnxGraph::list_of_booleans(std::span<const double> values) {
  return constant(OnnxType::kBoolean, {values.size()}, [&] {
    for (const double value : values) out_.byte(value != 0.0);
  });
}

OnnxGraph::Attributes OnnxGraph::node(std::string_view op, std::span<const std::string_view> inputs,
                                      std::span<const std::string> outputs,
                                      std::string_view domain) {
  const std::size_t node = out_.begin(1);
  for (const std::string_view input : inputs) out_.text(1, input);
  for (const std::string& output : outputs) out_.text(2, output);
  out_.text(4, op);
  if (!domain.empty()) out_.text(7, domain);
  return {out_, node};
}

OnnxGraph::Attributes OnnxGraph::open(std::string_view op, Names inputs, std::string& output,
                                      std::string_view domain) {
  output = make_name();
  return node(op, inputs, std::span<const std::string>(&output, 1), domain);
}

OnnxGraph::Attributes OnnxGraph::open_named(std::string_view op, Names inputs,
                                            std::span<const std::string> outputs) {
  return node(op, inputs, outputs, {});
}

std::string OnnxGraph::apply(std::string_view op, Names inputs) {
  std::string output;
  open(op, inputs, output);
  return output;
}

std::string OnnxGraph::concatenate(std::span<const std::string> columns) {
  if (columns.size() == 1) return columns.front();
  const std::vector<std::string_view> inputs(columns.begin(), columns.end());
  const std::string output = make_name();
  node("Concat", inputs, std::span(&output, 1), {}).number("axis", 1);
  return output;
}

std::string OnnxGraph::cast(std::string_view value, OnnxType to) {
  std::string output;
  open("Cast", {value}, output).number("to", static_cast<std::int64_t>(to));
  return output;
}

std::size_t OnnxGraph::Attributes::begin(std::string_view name, unsigned type) {
  const std::size_t attribute = out_.begin(5);
  out_.text(1, name);
  out_.number(20, type);
  return attribute;
}

OnnxGraph::Attributes& OnnxGraph::Attributes::number(std::string_view name, std::int64_t value) {
  const std::size_t attribute = begin(name, 2);
  out_.number(3, static_cast<std::uint64_t>(value));
  out_.end(attribute);
  return *this;
}

OnnxGraph::Attributes& OnnxGraph::Attributes::real(std::string_view name, float value) {
  const std::size_t attribute = begin(name, 1);
  out_.real(2, value);
  out_.end(attribute);
  return *this;
}

OnnxGraph::Attributes& OnnxGraph::Attributes::text(std::string_view name, std::string_view value) {
  const std::size_t attribute = begin(name, 3);
  out_.text(4, value);
  out_.end(attribute);
  return *this;
}

void OnnxGraph::metadata(std::string_view key, std::string_view value) {
  metadata_.emplace_back(key, value);
}

std::string OnnxGraph::finish() {
  out_.end(graph_);
  for (const auto& [key, value] : metadata_) {
    const std::size_t entry = out_.begin(14);
    out_.text(1, key);
    out_.text(2, value);
    out_.end(entry);
  }
  if (out_.size() > kMostBytes) {
    throw core::InvalidInput(
        fmt::format("the model would take {:.1f} GB as ONNX, and such a file holds 2.1 GB at most",
                    static_cast<double>(out_.size()) / 1e9),
        "train fewer or smaller trees: random_forest.n_estimators=..., max_leaf_nodes=...");
  }
  return out_.take();
}

}  // namespace mutirao::models::internal
