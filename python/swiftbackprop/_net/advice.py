"""What to write here for words of other libraries, where no single name stands for them."""

from __future__ import annotations

from swiftbackprop._net.other_words import ESTIMATOR, ESTIMATOR_FIT, FIT, MADE

_RATE = "the learning rate is the optimizer's: Network(..., optimizer=sb.Adam(lr=1e-3))"
_STOP = "write callbacks=[sb.EarlyStopping(patience=10)]"

_THREADS = "write sb.set_num_threads(n)"
_CPU = "networks run on the CPU"
_RATE_NOW = f"{_RATE}; of a network that is made, net.optimizer.lr = 1e-3"
_OWN = "the engine has none of this name; sb.Custom{} makes one of your own"
_ACTIVATION, _LOSS = _OWN.format("Activation"), _OWN.format("Loss")
_PIECES = "the validation data are used as a whole after every epoch"
_ROUNDED = 'networks are float32 or float64; Network(..., precision="bfloat16") rounds in products'
_ESTIMATOR = "write from swiftbackprop.sklearn import {}"
_CHAIN = "a network is one chain of dense layers: write sb.Network([784, 128, 10])"

# Kind of name -> what others say -> what to write here.
_TOLD: dict[str, dict[str, str]] = {
    "parameter": {
        "betas": "write beta_1 and beta_2",
        "nesterov": "it is sb.Nesterov(...)",
        "amsgrad": "the engine has no AMSGrad",
        "clipnorm": "write Network(..., clip_norm=...)",
        "decay": "write callbacks=[sb.LearningRateScheduler(...)] in fit",
    },
    FIT: {
        "lr learning_rate": _RATE_NOW,
        "learning_rate_init": _RATE,
        "seed": "it is an argument of Network; net.reset(seed) begins anew",
        "random_state": "write Network(..., seed=...); net.reset(seed) begins anew",
        "early_stopping patience early_stopping_rounds": _STOP,
        "initial_epoch": "fit goes on where the last one ended",
        "x_val y_val": "write validation_data=(X_val, y_val)",
        "validation_steps validation_freq validation_batch_size": _PIECES,
        "n_jobs num_threads threads workers num_workers": _THREADS,
        "device": _CPU,
    },
    MADE: {
        "lr learning_rate learning_rate_init": _RATE,
        "momentum": "write optimizer=sb.Momentum(lr=0.01, momentum=0.9)",
        "weight_decay": "write optimizer=sb.AdamW(weight_decay=0.01), or l2=0.01 for a penalty",
        "batch_norm batchnorm": 'write norm="batch"',
        "layer_norm": 'write norm="layer"',
        "epochs batch_size callbacks verbose": "it is an argument of fit",
        "max_iter": "write epochs=... in fit",
        "metrics": "it is an argument of fit and evaluate",
        "early_stopping": f"{_STOP} in fit",
        "device": _CPU,
        "n_jobs threads num_threads": _THREADS,
        "bias use_bias": "every layer has one",
    },
    "method": {
        "batch_size": "leave it out: the engine takes the rows in blocks",
        "verbose progress": "leave it out: only fit shows progress",
        "training": "leave it out: only fit, and forward with training=True, use dropout",
    },
    "attribute": {
        "compile": "a network is ready once it is made; loss and optimizer are arguments of "
        "Network, metrics one of fit",
        "add": "all layers are given at once, as in Network([4, 16, 3])",
        "build": "a network is ready once it is made",
        "coefs_": "write [layer.W.T for layer in net.layers]",
        "coef_": "write net.layers[0].W",
        "intercepts_": "write [layer.b for layer in net.layers]",
        "intercept_": "write net.layers[0].b",
        "get_params": "write net.sizes, net.optimizer and so on; estimators are in "
        "swiftbackprop.sklearn",
        "set_params": "estimators are in swiftbackprop.sklearn",
        "load_weights": "write net.load_state_dict(...), net.set_weights(...) or sb.load(path)",
        "load": "write sb.load(path)",
        "eval": "predict and evaluate use no dropout; forward only with training=True",
        "zero_grad": "backward writes gradients anew, unless accumulate=True",
        "train_on_batch": "write net.forward(X); net.backward(y); net.step()",
        "to": "networks run on the CPU; dtype is an argument of Network",
        "cuda cpu device": _CPU,
        "grad": "write net.gradients, or net.layer(m).grad_W",
        "lr learning_rate": "write net.optimizer.lr",
        "predict_log_proba": "write np.log(net.predict_proba(X))",
        "loss_curve_": 'write net.history["loss"]',
        "loss_": 'write net.history["loss"][-1]',
        "fit_transform": "write net.fit(X, y); net.predict(X)",
        "named_parameters": "write net.state_dict()",
        "train": "fit trains; predict and evaluate use no dropout, forward(X, training=True) does",
        "get_config": "write net.summary(), or net.save(path)",
        "activation": "write net.layers[0].activation",
        "trainable": "it is of a layer: net.layers[0].trainable",
        "input_shape": "write net.sizes[0]",
        "output_shape": "write net.sizes[-1]",
        "w": "it is of a layer: net.layers[0].W",
        "b": "it is of a layer: net.layers[0].b",
        "z": "it is of a layer: net.layers[0].z",
        "a": "it is of a layer: net.layers[0].a",
        "metrics": "it is an argument of fit and evaluate",
    },
    "activation": {
        "selu celu mish relu6 prelu hardtanh": _ACTIVATION,
        "hard_sigmoid hardsigmoid hard_swish hardswish": _ACTIVATION,
        "logits": "logits are what output='identity' gives",
    },
    "loss": {"hinge squared_hinge kl_div kld kl_divergence cosine_similarity focal": _LOSS},
    "optimizer": {
        "lbfgs l_bfgs": "MLPClassifier and MLPRegressor of swiftbackprop.sklearn have "
        "solver='lbfgs'",
    },
    "dtype": {"float16 half fp16 bfloat16 bf16": _ROUNDED},
    "precision": {
        "float64 double 64": "write dtype='float64'",
        "float16 half fp16 mixed mixed_float16 16_mixed 16": "there is no float16; 'bfloat16' "
        "is as short",
        "tf32": "'bf16x2' has 16 significant bits, 'bf16x3' has 24",
    },
    "module": {
        "mlpclassifier": _ESTIMATOR.format("MLPClassifier"),
        "mlpregressor": _ESTIMATOR.format("MLPRegressor"),
        "sklearn": "write import swiftbackprop.sklearn",
        "sequential model module dense linear layers nn mlp": _CHAIN,
        "optim": "write sb.Adam(1e-3); sb.optimizers() lists all",
        "callbacks": "they are here, as in sb.EarlyStopping()",
        "reducelronplateau": "write sb.LearningRateScheduler(sb.schedules.ReduceOnPlateau())",
        "seed set_seed manual_seed": "write sb.Network(..., seed=0)",
        "tensor from_numpy": "NumPy arrays go in and come out",
        "no_grad": "predict keeps no gradients",
        "device cuda": _CPU,
    },
    "callback": {
        "on_batch_begin on_train_batch_begin on_train_batch_start on_step_begin": "nothing happens "
        "between on_batch_end and the next batch",
    },
    "EarlyStopping": {
        "verbose": "history.stop_reason says why training ended, best_epoch of the callback when",
    },
    "Checkpoint": {
        "save_best_only": "write monitor='val_loss'",
        "save_weights_only": "files hold the whole network",
        "verbose": "the attribute path has the file written last",
    },
    "Cosine": {"lr initial_learning_rate": _RATE},
    "OneCycle": {
        "max_lr": "the highest rate is the optimizer's own",
        "steps_per_epoch": "it follows every batch by itself",
    },
    "stream": {"batch_size shuffle epochs": "it is an argument of fit"},
    "Network.to_onnx": {
        "opset opset_version target_opset": "it is 13, or 17 where there is layer norm",
        "dynamic_axes": "any number of rows is taken",
        "input_names": "the input is called X",
    },
    ESTIMATOR: {
        "sample_weight": "it is an argument of fit",
        "n_jobs": _THREADS,
        "device": _CPU,
        "norm initializer": "a Network has it",
        "batch_norm": "a Network has norm='batch'",
    },
    ESTIMATOR_FIT: {
        "validation_data": "write X_val=..., y_val=..., or give it to the estimator itself",
        "eval_set": "write X_val=..., y_val=...",
    },
}
ADVICE = {
    kind: {word: advice for words, advice in table.items() for word in words.split()}
    for kind, table in _TOLD.items()
}
