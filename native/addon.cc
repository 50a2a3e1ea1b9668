#include "addon.h"

void AddFunction(napi_env env, napi_value exports, const char* name, napi_callback call) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

NAPI_MODULE_INIT() {
  AddCrc32c(env, exports);
  AddWriteDurably(env, exports);
  return exports;
}
