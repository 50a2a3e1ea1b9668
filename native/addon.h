// The parts of the addon. Whatever is missing in it is done in TypeScript: src/actors/kernels.ts.
#pragma once

#include <node_api.h>

void AddFunction(napi_env env, napi_value exports, const char* name, napi_callback call);

void AddCrc32c(napi_env env, napi_value exports);
void AddWriteDurably(napi_env env, napi_value exports);
