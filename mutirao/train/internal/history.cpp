#include "mutirao/train/internal/history.hpp"

#include <exception>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::train::internal {
namespace {

void take(const Json& event, History& history) {
  const auto name = event.at("event").get<std::string>();
  history.elapsed = event.at("elapsed").get<double>();
  if (name == "run_started" || name == "run_resumed") {
    history.complete = false;
    history.process = event.value("pid", Json());
    history.host = event.value("host", "");
    if (name == "run_resumed") return;
    history.started = true;
    history.version = event.at("version").get<std::string>();
    history.config = config_from_json(event.at("config"), "the run");
  } else if (name == "data_read") {
    history.data_read = event;
  } else if (name == "note") {
    history.notes.insert(event.at("text").get<std::string>());
  } else if (name == "warning") {
    history.warnings.insert(event.at("text").get<std::string>());
  } else if (name == "candidate_started") {
    history.begun.insert(event.at("model").get<std::string>());
  } else if (name == "fold_done" || name == "model_saved" || name == "draw_done") {
    history.fits[event.at("model").get<std::string>()].push_back(event);
  } else if (name == "candidate_ended") {
    const Json& row = event.at("candidate");
    const auto status = row.at("status").get<std::string>();
    if (status != "timeout") history.ended[row.at("model").get<std::string>()] = status;
  } else if (name == "run_ended") {
    history.complete = event.at("stopped").is_null();
  }
}

}  // namespace

std::size_t whole_lines(const std::string& events) noexcept {
  const std::size_t last = events.rfind('\n');
  return last == std::string::npos ? 0 : last + 1;
}

void for_each_event(const std::string& events, const std::string& path,
                    const std::function<void(const Json&)>& take) {
  std::size_t line = 1;
  for (std::size_t begin = 0, end; (end = events.find('\n', begin)) != std::string::npos;
       begin = end + 1, ++line) {
    try {
      take(Json::parse(events.begin() + static_cast<std::ptrdiff_t>(begin),
                       events.begin() + static_cast<std::ptrdiff_t>(end)));
    } catch (const std::exception&) {
      throw core::CorruptFile(fmt::format("{}, line {}: this is no event of a run", path, line),
                              "train again, or copy the run folder again");
    }
  }
}

History read_history(const std::string& events, const std::string& path) {
  History history;
  for_each_event(events, path, [&](const Json& event) { take(event, history); });
  return history;
}

}  // namespace mutirao::train::internal
