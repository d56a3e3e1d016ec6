# XGBoost's C header at build time; its library is loaded at run time, when a model is first boosted.
# Sets XGBoost_FOUND, XGBoost_INCLUDE_DIR, XGBoost_LIBRARY.
find_path(XGBoost_INCLUDE_DIR xgboost/c_api.h)
find_library(XGBoost_LIBRARY xgboost)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(XGBoost REQUIRED_VARS XGBoost_INCLUDE_DIR XGBoost_LIBRARY)
mark_as_advanced(XGBoost_INCLUDE_DIR XGBoost_LIBRARY)
