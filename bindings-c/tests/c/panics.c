/* The panic guard, in the library of the shipped profile with one function more: a fault inside becomes a status, leaves nothing
 * on standard error, and the library works on. scripts/c-tests looks at standard error. */
#include "check.h"

k8senc_status k8senc_panic_for_test(k8senc_error **error);

int main(void) {
    k8senc_error *error = NULL;
    for (int i = 0; i < 3; i++) {
        FAILS(PANIC, k8senc_panic_for_test(&error));
        CHECK(k8senc_panic_for_test(NULL) == K8SENC_STATUS_PANIC);
    }
    k8senc_buf json;
    OK(k8senc_inspect(T("{}"), &json, &error));
    k8senc_buf_free(&json);
    puts("panics: caught, quiet, and over");
    return 0;
}
