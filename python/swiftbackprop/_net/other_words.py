"""What other libraries call things, and the one name that each has here."""

from __future__ import annotations

MADE = "Network"
FIT = "Network.fit"
ESTIMATOR = "MLPClassifier"  # and MLPRegressor
ESTIMATOR_FIT = "MLPClassifier.fit"
_GRADIENTS = {"grad_W": "dw", "grad_b": "db", "grad_z": "dz delta", "grad_a": "da"}
# Kind of name -> what it is called here -> what others say.
_WORDS: dict[str, dict[str, str]] = {
    "activation": {
        "sigmoid": "logistic",
        "identity": "linear none",
        "silu": "swish",
        "leaky_relu": "leaky",
        "exp": "exponential",
        "gelu_tanh": "gelu_new",
        "softmax": "log_softmax",
    },
    "loss": {
        "squared_error": "mse mean_squared_error l2 squared_loss",
        "absolute_error": "mae mean_absolute_error l1",
        "huber": "smooth_l1",
        "cross_entropy": (
            "log_loss nll nll_loss categorical_crossentropy sparse_categorical_crossentropy "
            "softmax_cross_entropy crossentropy"
        ),
        "binary_cross_entropy": "bce binary_crossentropy bce_with_logits sigmoid_cross_entropy",
        "poisson": "poisson_nll poisson_nll_loss",
    },
    "optimizer": {
        "nesterov": "nag",
        "adamw": "adam_w",
        "momentum": "heavy_ball sgdm",
    },
    "initializer": {
        "glorot_uniform": "xavier xavier_uniform glorot",
        "glorot_normal": "xavier_normal",
        "he_normal": "kaiming kaiming_normal he",
        "he_uniform": "kaiming_uniform",
        "lecun_normal": "lecun",
        "zeros": "zero",
    },
    "precision": {
        "bfloat16": "bf16 mixed_bfloat16 bf16_mixed",
        "float32": "fp32 single highest",
    },
    "dtype": {
        "float32": "float single",
        "float64": "double",
    },
    "parameter": {
        "lr": "learning_rate learning_rate_init",
        "beta_1": "beta1",
        "beta_2": "beta2",
        "epsilon": "eps",
        "slope": "alpha negative_slope",
        "delta": "beta",
    },
    "schedule": {
        "Constant": "constant_lr",
        "Step": "step_lr",
        "Exponential": "exponential_lr exponential_decay",
        "Cosine": "cosine_annealing_lr cosine_decay",
        "OneCycle": "one_cycle_lr",
        "ReduceOnPlateau": "reduce_lr_on_plateau",
    },
    "metric": {
        "accuracy": (
            "acc accuracy_score binary_accuracy categorical_accuracy sparse_categorical_accuracy"
        ),
        "balanced_accuracy": "balanced_acc balanced_accuracy_score",
        "mse": "mean_squared_error squared_error",
        "rmse": "root_mean_squared_error",
        "mae": "mean_absolute_error absolute_error",
        "r2": "r2_score",
        "auc": "roc_auc roc_auc_score auroc auc_roc",
        "f1": "f1_score f1_macro",
        "confusion": "confusion_matrix",
        "precision": "precision_score precision_macro",
        "recall": "recall_score recall_macro sensitivity",
        "log_loss": "cross_entropy crossentropy neg_log_loss nll",
        "top_3": "top_k_categorical_accuracy top_k_accuracy",
    },
    FIT: {
        "epochs": "nb_epoch n_epochs num_epochs n_epoch epoch max_iter n_iter",
        "batch_size": "bs batchsize mini_batch_size",
        "validation_data": "eval_set validation valid_data val_data validation_set",
        "validation_split": "validation_fraction test_size",
        "sample_weight": "weights sample_weights",
        "class_weight": "class_weights",
        "callbacks": "callback",
        "metrics": "metric scoring",
        "y": "target targets labels",
        "X": "data inputs",
        "steps_per_epoch": "steps",
        "verbose": "verbosity",
    },
    MADE: {
        "sizes": "hidden_layer_sizes layer_sizes layers hidden_sizes units",
        "activation": "activations hidden_activation nonlinearity",
        "output": "out_activation output_activation final_activation",
        "loss": "criterion cost loss_function",
        "optimizer": "solver",
        "seed": "random_state random_seed",
        "initializer": "init kernel_initializer weight_init",
        "l2": "alpha l2_reg regularization kernel_regularizer",
        "clip_norm": "clipnorm global_clipnorm max_grad_norm",
        "dropout": "dropout_rate drop_rate p_dropout",
        "norm": "normalization",
    },
    "attribute": {
        "predict": "decision_function transform predict_on_batch inference",
        "evaluate": "test_on_batch",
        "loss": "losses criterion",
        "classes_": "classes",
        "parameters": "weights trainable_weights trainable_variables",
        "n_parameters": "count_params num_parameters",
        "save": "save_weights",
        "fit": "fit_generator partial_fit",
        "sizes": "layer_sizes",
        "seed": "random_state",
        "diagram": "plot_model",
        "copy": "clone",
        "layers": "modules children",
        "reset": "reset_states reset_parameters",
    },
    "attribute of a layer": {
        "W": "weight weights kernel",
        "b": "bias biases",
        "a": "output input",
        **_GRADIENTS,
    },
    "quantity": _GRADIENTS,
    "module": {
        "load": "load_model",
        "Checkpoint": "modelcheckpoint",
        "set_num_threads": "set_threads",
        "BatchNorm": "batchnormalization batchnorm1d",
        "LayerNorm": "layernormalization",
    },
    "callback": {
        "on_batch_end": "on_train_batch_end on_step_end",
        "on_train_begin": "on_train_start on_fit_begin on_fit_start",
        "on_train_end": "on_fit_end",
        "on_epoch_begin": "on_epoch_start on_train_epoch_start",
        "on_epoch_end": "on_train_epoch_end on_validation_epoch_end on_validation_end on_test_end",
    },
    "EarlyStopping": {
        "monitor": "metric",
        "min_delta": "delta threshold",
        "restore_best_weights": "restore_best",
        "patience": "n_iter_no_change",
    },
    "Checkpoint": {
        "path": "filepath filename",
        "every": "period save_freq every_n_epochs",
    },
    "CSVLogger": {"path": "filename file"},
    "LearningRateScheduler": {"schedule": "scheduler function"},
    "Step": {
        "every": "step_size period",
        "gamma": "factor",
    },
    "Exponential": {"gamma": "decay decay_rate factor"},
    "InverseScaling": {"power": "power_t"},
    "Cosine": {
        "epochs": "t_max decay_steps",
        "warmup": "warmup_steps",
        "least": "eta_min alpha",
    },
    "OneCycle": {
        "epochs": "total_steps",
        "rise": "pct_start",
        "div": "div_factor",
    },
    "ReduceOnPlateau": {
        "monitor": "metric",
        "factor": "gamma",
        "min_delta": "threshold eps",
    },
    "stream": {
        "target": "label labels y",
        "features": "columns",
        "sample_weight": "weights",
        "transform": "transforms",
        "window": "buffer_size shuffle_buffer",
        "read_ahead": "prefetch",
        "batch_rows": "chunksize",
    },
    "Network.to_onnx": {"path": "file f filename"},
    ESTIMATOR: {
        "hidden_layer_sizes": (
            "hidden_layers hidden_sizes hidden_units hidden layer_sizes layers units"
        ),
        "activation": "activations",
        "learning_rate_init": "lr eta",
        "max_iter": "epochs epoch n_epochs num_epochs nb_epoch n_iter",
        "batch_size": "batchsize",
        "random_state": "seed random_seed",
        "alpha": "l2 weight_decay regularization",
        "n_iter_no_change": "patience",
        "validation_fraction": "validation_split test_size",
        "scoring": "metrics metric",
        "loss": "criterion",
        "verbose": "progress",
        "class_weight": "class_weights",
        "callbacks": "callback",
        "dropout": "dropout_rate",
        "beta_1": "beta1",
        "beta_2": "beta2",
        "nesterovs_momentum": "nesterov",
    },
    ESTIMATOR_FIT: {
        "sample_weight": "sample_weights weights",
        "X_val": "x_valid",
        "y_val": "y_valid",
    },
}
# Kind of name -> what others say -> what it is called here.
OTHER_LIBRARIES = {
    kind: {word: own for own, words in names.items() for word in words.split()}
    for kind, names in _WORDS.items()
}
